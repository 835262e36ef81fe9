"""Names that a COCO file gives to its images and categories, and the scenes that they stand for."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeGuard

from cityscapes.convert.faults import Faults, shown
from cityscapes.layout import frame_of
from cityscapes.official_counts import SPLIT_OF
from engine.errors import InputError
from engine.files.content import reading
from engine.files.documents import read_json
from engine.findings import counted, examples

_MAX_BYTES = 1 << 29
"""Largest JSON file that is read; 100 compressed masks for each image of the test set have a fifth of this."""
_MAX_CONTAINERS, _MAX_VALUES = 1 << 23, 1 << 25
"""Largest number of lists and objects, and of all values in a JSON file; they take up to 2 GB."""
_STEM = re.compile(r"[0-9A-Za-z-]+_[0-9]{6}_[0-9]{6}")
"""Stems that are safe as a file name and in a text file with blanks between its fields."""

Key = int | str
"""Id of an image or a category; COCO has numbers, some programs write names of files."""


class Image(NamedTuple):
    """One entry of `images`."""

    stem: str
    """Stem of the scene: <city>_<6 digits>_<6 digits>."""
    size: tuple[int, int] | None
    """Width and height in pixels; None if the file does not have them."""


class Reference(NamedTuple):
    """Images and categories of an annotation file."""

    path: Path
    images: dict[Key, Image]
    """Id -> image."""
    by_stem: dict[str, Image]
    """Stem -> image."""
    categories: dict[Key, str]
    """Id -> name."""


def read_document(path: Path) -> Any:
    """The content of a JSON file of limited size.

    Raises:
        InputError: if it is larger, is not JSON, or cannot be read.
    """
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > _MAX_BYTES else file.read()
    containers = content.count(b"[") + content.count(b"{")
    values = containers + content.count(b",")
    for got, most, what in (
        (size, _MAX_BYTES, "bytes"),
        (containers, _MAX_CONTAINERS, "lists and objects"),
        (values, _MAX_VALUES, "values"),
    ):
        if got > most:
            raise InputError(f"{path}: more than {most:,} {what}; convert the images in parts")
    del content
    return read_json(path)


def entries(path: Path, document: Any, key: str) -> list[Any]:
    """A list in a JSON object.

    Raises:
        InputError: if it is missing or is not a list.
    """
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list):
        got = f"{key} is {shown(found)}" if isinstance(document, dict) else f"got {shown(document)}"
        raise InputError(f"{path}: expected an object with a list of {key}, {got}; give a COCO file that has it")
    return found


def read(path: Path) -> Reference:
    """Read the images and categories of an annotation file of COCO.

    Raises:
        InputError: with every image and category that cannot be used.
    """
    return of_document(path, read_document(path))


def of_document(path: Path, document: Any) -> Reference:
    """The images and categories of a COCO file that is read already.

    Raises:
        InputError: with every image and category that cannot be used.
    """
    faults = Faults()
    images = images_of(path, entries(path, document, "images"), faults)
    categories = categories_of(path, document.get("categories") or [], faults)
    faults.settled(skip=False)
    return Reference(path, images, {image.stem: image for image in images.values()}, categories)


def images_of(path: Path, listed: Sequence[Any], faults: Faults) -> dict[Key, Image]:
    """Id -> image of the entries of `images`; messages on unusable entries are added to the faults."""
    images: dict[Key, Image] = {}
    stems: set[str] = set()
    for number, entry in enumerate(listed):
        where = f"{path}: images[{number}]"
        key, name = (entry.get("id"), entry.get("file_name")) if isinstance(entry, dict) else (None, None)
        if not is_key(key) or not isinstance(name, str):
            faults.add(f"{where}: got {shown(entry)}, expected id and file_name; write this file again")
            continue
        stem = stem_of(name)
        if stem is None:
            faults.add(
                f"{where}: file_name is {shown(name)}, expected <city>_<6 digits>_<6 digits> in it; rename the image"
            )
        elif key in images or stem in stems:
            faults.add(f"{where}: id {shown(key)} and {stem} appear twice; keep one entry for each image")
        else:
            images[key] = Image(stem, _size(entry))
            stems.add(stem)
    return images


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    return (width, height) if type(width) is int and type(height) is int else None


def categories_of(path: Path, listed: Any, faults: Faults) -> dict[Key, str]:
    """Id -> name of the entries of `categories`; messages on unusable entries are added to the faults."""
    categories: dict[Key, str] = {}
    for number, entry in enumerate(listed if isinstance(listed, list) else []):
        key, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (None, None)
        if not is_key(key) or not isinstance(name, str) or key in categories:
            got = shown(entry)
            faults.add(f"{path}: categories[{number}]: got {got}, expected a new id and a name; write this file again")
        else:
            categories[key] = name
    return categories


def is_key(value: Any) -> TypeGuard[Key]:
    """Whether a value of a JSON file can be an id."""
    return type(value) in (int, str)


def stem_of(name: str) -> str | None:
    """The stem of a scene in the name of a file, without its folders; None if there is none."""
    frame = frame_of(PurePosixPath(name.replace("\\", "/")).name)
    return frame if frame is not None and _STEM.fullmatch(frame) else None


def image_of(key: Any, names: Sequence[Any], reference: Reference | None) -> Image | str:
    """The image that an id stands for, or the fault.

    Args:
        key: id of the image.
        names: names of files in the same entry, which decide if the id is not known.
        reference: annotation file, if there is one.
    """
    if reference is not None and is_key(key) and key in reference.images:
        return reference.images[key]
    for name in (key, *names):
        stem = stem_of(name) if isinstance(name, str) else None
        if stem is not None:
            unknown = Image(stem, None)
            return unknown if reference is None else reference.by_stem.get(stem, unknown)
    if reference is not None:
        return f"image_id is {shown(key)}, expected an id in {reference.path}; give the annotations of these images"
    return (
        f"image_id is {shown(key)}, expected <city>_<6 digits>_<6 digits> in it; name the images as the data set does"
    )


def nameless(keys: Collection[int]) -> str:
    """The fault of all images whose ids are numbers that no annotation file names."""
    numbers = examples([str(key) for key in sorted(keys)])
    return (
        f"image_id of {counted(len(keys), 'image')} is a number without a name ({numbers}), expected "
        "<city>_<6 digits>_<6 digits>; give the annotation file that has the names: --annotations"
    )


def split_of(stems: Iterable[str]) -> str:
    """The split of most scenes, according to their cities; unknown cities count as val."""
    splits = Counter(SPLIT_OF.get(stem.split("_", maxsplit=1)[0], "val") for stem in stems)
    return splits.most_common(1)[0][0] if splits else "val"
