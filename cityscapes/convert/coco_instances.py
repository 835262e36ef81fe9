"""COCO results of instances -> the text files and masks of the instance task.

results.json                          [{image_id, category_id, segmentation, score}, ...]
NEW/<stem>.txt                        a line for each instance: path of the mask, label id, confidence
NEW/masks/<stem>_<number>.png         the masks
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cityscapes import layout
from cityscapes.convert import categories, reference
from cityscapes.convert.categories import Kind, Reading
from cityscapes.convert.faults import Faults, SegmentationError, shown
from cityscapes.convert.output import Conversion
from cityscapes.convert.reference import Image, Key, Reference
from cityscapes.convert.rle import decode
from cityscapes.convert.runs import Runs, union
from cityscapes.formats.instance import MAX_LINES, InstanceLine, text_of
from engine.errors import InputError
from engine.files.atomic import write_bytes, write_text
from engine.files.new_folder import complete_folder, require_new
from engine.findings import counted
from engine.parallel import parallel_map

MASKS = "masks"
"""Folder of the masks in the new folder."""

_SEGMENTATION = "write the masks again, as RLE or polygons of the size of the image"


class Task(NamedTuple):
    """The results of one image."""

    image: Image
    results: list[tuple[int, dict[str, Any]]]
    """Number of each result in the file, and the result."""


class Written(NamedTuple):
    """The outcome for one image."""

    instances: int
    empty: int
    """Number of masks without a pixel, which are left out."""
    faults: list[str]


def convert(
    results: Path,
    new: Path,
    *,
    annotations: Path | None = None,
    numbering: Kind | None = None,
    root: Path | None = None,
    split: str | None = None,
    skip_faulty: bool = False,
    workers: int = 1,
) -> Conversion:
    """Convert a file of COCO results to a new folder.

    Args:
        results: JSON list of results with masks.
        new: folder to write.
        annotations: COCO file with the names of images and categories.
        numbering: how category ids are numbered; None decides by names or evidence.
        root: data folder; images of the split without a result get an empty text file.
        split: of these images; by default the split of most results.
        skip_faulty: leave out faulty results instead of writing nothing.
        workers: number of processes.

    Raises:
        InputError: with every fault of the file and of its results.
    """
    require_new(results, new)
    document, names = _read(results, annotations)
    faults = Faults()
    tasks = _by_image(results, document, names, faults)
    reading = _reading(results, document, names, numbering)
    split = split or reference.split_of(task.image.stem for task in tasks)
    without = _stems_without(tasks, names, root, split)
    if not tasks and not without:
        raise InputError(*(faults.settled(skip=True) or (f"{results}: no result in it; predict first",)))
    counts: Counter[str] = Counter()
    with complete_folder(new) as part:
        work = partial(_write, results, part, reading, {} if names is None else names.categories)
        for _, done in parallel_map(work, tasks, workers=workers, title="convert"):
            if isinstance(done, InputError):
                raise done
            counts.update(instances=done.instances, empty=done.empty)
            faults.add(*done.faults)
        skipped = faults.settled(skip=skip_faulty)
        for stem in without:
            write_text(part / f"{stem}.txt", "")
    images = len(tasks) + len(without)
    notes = tuple(_notes(counts["empty"], len(without)))
    return Conversion(images, counts["instances"], reading.description, notes, skipped, split)


def _read(results: Path, annotations: Path | None) -> tuple[list[Any], Reference | None]:
    """The results, and the names of their images and categories, if they are known.

    Some programs write their results as `annotations` of a file that also has images and categories.
    """
    names = None if annotations is None else reference.read(annotations)
    document = reference.read_document(results)
    if isinstance(document, list):
        return document, names
    listed = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise InputError(f"{results}: got {shown(document)}, expected a list of results; give the file of predictions")
    if not any(isinstance(result, dict) and "score" in result for result in listed):
        raise InputError(f"{results}: got annotations without a score, expected results; give the file of predictions")
    return listed, names or reference.of_document(results, document)


def _notes(empty: int, without: int) -> Iterator[str]:
    if empty:
        yield f"left out {counted(empty, 'mask')} without a pixel, which would not be scored"
    if without:
        yield f"wrote an empty text file for {counted(without, 'image')} without a result"


def _by_image(path: Path, document: Sequence[Any], names: Reference | None, faults: Faults) -> list[Task]:
    """The results by image, in the order of the stems; messages on those without a known image are added."""
    tasks: dict[str, Task] = {}
    numbers: set[int] = set()
    masks = 0
    for number, result in enumerate(document):
        where = f"{path}: result {number}"
        if not isinstance(result, dict):
            faults.add(f"{where}: got {shown(result)}, expected image_id, category_id, segmentation, score; remove it")
            continue
        key = result.get("image_id")
        image = reference.image_of(key, [result.get("file_name")], names)
        masks += "segmentation" in result
        if isinstance(image, str) and names is None and type(key) is int:
            numbers.add(key)
        elif isinstance(image, str):
            faults.add(f"{where}: {image}")
        else:
            tasks.setdefault(image.stem, Task(image, [])).results.append((number, result))
    if document and not masks:
        raise InputError(
            f"{path}: got {counted(len(document), 'result')} without a segmentation, expected masks: these are boxes; "
            "give the file with the masks, for example *.segm.json of mmdetection"
        )
    if numbers:
        faults.add(f"{path}: {reference.nameless(numbers)}")
    for stem, task in tasks.items():
        if len(task.results) > MAX_LINES:
            raise InputError(
                f"{path}: {len(task.results):,} results for {stem}, expected at most {MAX_LINES:,} an image"
            )
    return [tasks[stem] for stem in sorted(tasks)]


def _reading(path: Path, document: Sequence[Any], names: Reference | None, numbering: Kind | None) -> Reading:
    """The reading of the category ids of the results; only classes with instances have an entry."""
    keys = (result.get("category_id") for result in document if isinstance(result, dict))
    ids: set[Key] = {key for key in keys if reference.is_key(key)}
    known = {} if names is None else names.categories
    if not ids:
        return Reading({}, "")
    reading = categories.decide(path, ids, ids, known, categories.INSTANCE_KINDS, numbering)
    return Reading({k: of for k, of in reading.table.items() if of in categories.THING_IDS}, reading.description)


def _stems_without(tasks: Sequence[Task], names: Reference | None, root: Path | None, split: str) -> list[str]:
    """The images of the annotation file, or of the split under the root, that have no result."""
    expected = set() if names is None else {image.stem for image in names.images.values()}
    if root is not None:
        layout.require_root(root)
        expected |= {scene.stem for scene in layout.scenes_with_image(root, split)}
    return sorted(expected - {task.image.stem for task in tasks})


def _write(path: Path, part: Path, reading: Reading, names: dict[Key, str], task: Task) -> Written:
    """Write the masks and the text file of one image."""
    lines: list[InstanceLine] = []
    faults = Faults()
    empty = 0
    size = task.image.size
    for number, result in task.results:
        where = f"result {number} ({task.image.stem})"
        wrong = _faults(path, where, result, reading, names)
        try:
            parts = decode(result.get("segmentation"), size)
        except SegmentationError as error:
            wrong.append(f"{path}: {where}: {error}; {_SEGMENTATION}")
            parts = []
        faults.add(*wrong)
        if wrong:
            continue
        size = size or (parts[0].width, parts[0].height)
        if not any(runs.area for runs in parts):
            empty += 1
            continue
        lines.append(_instance(part, task.image.stem, len(lines), parts, reading.table[result["category_id"]], result))
    write_text(part / f"{task.image.stem}.txt", text_of(lines))
    return Written(len(lines), empty, faults.messages)


def _instance(
    part: Path, stem: str, number: int, runs: Sequence[Runs], label_id: int, result: dict[str, Any]
) -> InstanceLine:
    """Write a mask, and return its line."""
    name = f"{MASKS}/{stem}_{number:04d}.png"
    write_bytes(part / name, union(runs).png())
    return InstanceLine(number + 1, name, label_id, float(result["score"]))


def _faults(path: Path, where: str, result: dict[str, Any], reading: Reading, names: dict[Key, str]) -> list[str]:
    """Messages on the category and the score of a result."""
    faults: list[str] = []
    key: Any = result.get("category_id")
    score: Any = result.get("score")
    if not reference.is_key(key) or key not in reading.table:
        faults.append(categories.unknown(path, where, key, reading, names))
    if type(score) not in (int, float) or not abs(score) <= 1e308:
        faults.append(
            f"{path}: {where}: score is {shown(score)}, expected a finite number; write the confidences again"
        )
    return faults
