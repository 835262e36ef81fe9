"""COCO panoptic JSON and PNGs of other programs -> the panoptic format of Cityscapes.

panoptic.json, folder/                        annotations: image_id, file_name, segments_info (id, category_id)
NEW/cityscapes_panoptic_<split>.json          the same with label ids and stems
NEW/cityscapes_panoptic_<split>/<stem>.png    segment ids as colours
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from cityscapes.convert import categories, reference, segments
from cityscapes.convert.categories import Kind, Reading
from cityscapes.convert.faults import Faults, shown
from cityscapes.convert.output import Conversion
from cityscapes.convert.reference import Key, Reference
from cityscapes.convert.segments import Task
from cityscapes.formats import panoptic
from cityscapes.formats.panoptic import AnnotatedImage
from cityscapes.formats.panoptic_writer import prediction_text
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.folders import can_exist
from engine.files.new_folder import complete_folder, require_new
from engine.findings import counted
from engine.parallel import parallel_map

_REWRITE = "write this file again"


def convert(
    path: Path,
    folder: Path,
    new: Path,
    split: str | None = None,
    *,
    annotations: Path | None = None,
    numbering: Kind | None = None,
    skip_faulty: bool = False,
    workers: int = 1,
) -> Conversion:
    """Convert panoptic predictions to a new folder.

    Args:
        path: JSON file with a list of annotations.
        folder: folder of its PNGs: RGB, or grey with segment ids of 8 or 16 bits.
        new: folder to write.
        split: of the images, for the names of the new files; by default that of most images, by their cities.
        annotations: COCO file with the names of images and categories; by default those in the JSON file.
        numbering: how category ids are numbered; None decides by names or evidence.
        skip_faulty: leave out faulty images and segments instead of writing nothing.
        workers: number of processes.

    Raises:
        InputError: with every fault of the files.
    """
    require_new(folder, new)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with the PNGs of {path.name}")
    document = reference.read_document(path)
    listed = reference.entries(path, document, "annotations")
    faults = Faults()
    given = None if annotations is None else reference.read(annotations)
    names = given.categories if given else reference.categories_of(path, document.get("categories") or [], faults)
    tasks = _tasks(path, listed, given or _images_of(path, document), faults)
    if not tasks:
        raise InputError(*(faults.settled(skip=True) or (f"{path}: no annotation in it; predict first",)))
    reading = _reading(path, tasks, names, numbering)
    split = split or reference.split_of(task.stem for task in tasks)
    json_name, folder_name = panoptic.file_names(split)
    with complete_folder(new) as part:
        work = partial(segments.convert, path, folder, part / folder_name, reading, names)
        images: list[AnnotatedImage] = []
        merged = 0
        for _, done in parallel_map(work, tasks, workers=workers, title="convert"):
            if isinstance(done, InputError):
                faults.add(*done.messages)
                continue
            faults.add(*done.faults)
            images.append(done.image)
            merged += done.merged
        skipped = faults.settled(skip=skip_faulty)
        with replacing(part / json_name) as file:
            for text in prediction_text(images):
                file.write(text.encode())
    number = sum(len(image.segments) for image in images)
    notes = (
        (f"merged {counted(merged, 'segment')} of stuff, which has one segment per class and image",) if merged else ()
    )
    return Conversion(len(images), number, reading.description, notes, skipped, split)


def _images_of(path: Path, document: dict[str, Any]) -> Reference | None:
    """The images that the JSON file itself names; None if there are none, or some cannot be used."""
    if not isinstance(document.get("images"), list):
        return None
    faults = Faults()
    found = reference.images_of(path, document["images"], faults)
    return None if faults.messages or not found else Reference(path, found, {i.stem: i for i in found.values()}, {})


def _tasks(path: Path, listed: Sequence[Any], names: Reference | None, faults: Faults) -> list[Task]:
    """The usable entries by stem, sorted; messages on the others are added."""
    tasks: dict[str, Task] = {}
    numbers: set[int] = set()
    for number, entry in enumerate(listed):
        where = f"annotation {number}"
        got = entry if isinstance(entry, dict) else {}
        file, listed_segments = got.get("file_name"), got.get("segments_info")
        if not isinstance(file, str) or not isinstance(listed_segments, list):
            expected = "expected image_id, file_name and segments_info"
            faults.add(f"{path}: {where}: got {shown(entry)}, {expected}; {_REWRITE}")
            continue
        key = got.get("image_id")
        image = reference.image_of(key, [file], names)
        if isinstance(image, str) and names is None and type(key) is int:
            numbers.add(key)
        elif isinstance(image, str):
            faults.add(f"{path}: {where}: {image}")
        elif not _is_inside(file):
            faults.add(f"{path}: {where}: file_name is {shown(file)}, expected a path in the folder; {_REWRITE}")
        elif image.stem in tasks:
            faults.add(f"{path}: {where}: {image.stem} appears twice; keep one annotation for each image")
        else:
            tasks[image.stem] = Task(image.stem, f"{where} ({image.stem})", file, listed_segments)
    if numbers:
        faults.add(f"{path}: {reference.nameless(numbers)}")
    return [tasks[stem] for stem in sorted(tasks)]


def _is_inside(name: str) -> bool:
    """Whether a path stays in its folder."""
    relative = bool(name) and name[0] != "/" and ".." not in PurePosixPath(name).parts
    return relative and "\\" not in name and can_exist(name)


def _reading(path: Path, tasks: Sequence[Task], names: dict[Key, str], numbering: Kind | None) -> Reading:
    """The reading of the category ids.

    Things are known by `isthing`, where the file has it. Otherwise they are the categories with several segments in one
    image, except in results of Hugging Face, which may have several segments of stuff. They have `label_id`.
    """
    ids: set[Key] = set()
    declared: set[Key] = set()
    repeated: set[Key] = set()
    fields: set[str] = set()
    for task in tasks:
        found = [entry for entry in task.segments if reference.is_key(segments.category_of(entry))]
        keys = [segments.category_of(entry) for entry in found]
        ids.update(keys)
        declared.update(key for key, entry in zip(keys, found, strict=True) if entry.get("isthing") in (True, 1))
        repeated.update(key for key, times in Counter(keys).items() if times > 1)
        fields.update(*found)
    if not ids:
        return Reading({}, "")
    hugging_face = "category_id" not in fields
    things = declared if "isthing" in fields else set() if hugging_face else repeated
    kinds = [kind for kind in categories.PANOPTIC_KINDS if kind != "things_then_stuff" or not hugging_face]
    return categories.decide(path, ids, things, names, kinds, numbering)
