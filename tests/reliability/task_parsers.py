"""Parsers of the instance and the panoptic task, and of the files of other programs."""

import io
import math
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.reliability import mutations
from tests.reliability.parser import Parser, SilentError, files, png_damage


def _read_instance_text(path: Path, _: Path) -> None:
    from cityscapes.formats import instance
    from cityscapes.labels import BY_ID

    lines, faults = instance.parse(path.read_bytes())
    for line in lines:
        if not math.isfinite(line.confidence) or line.label_id not in BY_ID:
            raise SilentError(f"accepted {line}")
        if instance.path_within(line.mask) is None:
            raise SilentError(f"accepted a path outside of the folder: {line}")
    if not lines and not faults and path.read_bytes().strip():
        raise SilentError("found neither a line nor a fault")


def _read_instance_mask(path: Path, _: Path) -> None:
    """The mask must be the one that Pillow reads, unless Pillow refuses a chunk without pixels."""
    import numpy as np
    from PIL import Image

    from cityscapes.formats.instance import read_mask
    from engine.files.images import quiet_pillow

    content = path.read_bytes()
    mask = read_mask(content, path)
    if damage := png_damage(content, stream=False):  # that of the stream is compared with the pixels, wherever it is
        raise SilentError(f"took a PNG with {damage}")
    try:
        with quiet_pillow(), Image.open(io.BytesIO(content)) as image:
            expected = np.asarray(image.convert("L")) != 0
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error, zlib.error):
        return
    whole = np.zeros_like(expected)
    height, width = mask.pixels.shape
    whole[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels
    if mask.size != (expected.shape[1], expected.shape[0]) or (whole != expected).any():
        raise SilentError("read other pixels than Pillow")


def _read_panoptic_json(path: Path, _: Path) -> None:
    from cityscapes.formats import panoptic, panoptic_reader

    for truth in (False, True):
        images, faults = panoptic_reader.parse(path.read_bytes(), truth=truth)
        for image in images:
            ids = [segment.id for segment in image.segments]
            if len({*ids}) < len(ids) or not all(0 <= number <= panoptic.MAX_SEGMENT_ID for number in ids):
                raise SilentError(f"accepted the segments {ids}")
            wrong = [segment for segment in image.segments if segment.category_id not in panoptic.category_ids()]
            if wrong and not faults:
                raise SilentError(f"accepted {wrong}")


def _read_coco_results(path: Path, _: Path) -> None:
    from cityscapes.convert import coco_instances
    from cityscapes.formats import instance

    def convert(new: Path) -> None:
        coco_instances.convert(path, new, numbering="label_ids")
        for text in new.glob("*.txt"):
            lines, faults = instance.parse(text.read_bytes())
            if faults or not all(instance.read_mask((new / line.mask).read_bytes()).pixels.any() for line in lines):
                raise SilentError(f"wrote {text.read_text()!r}")

    _in_new_folder(path, convert)


def _read_coco_panoptic(path: Path, world: Path) -> None:
    from cityscapes.convert import coco_panoptic
    from cityscapes.formats import panoptic, panoptic_reader
    from engine.errors import InputError

    json_name, folder_name = panoptic.file_names("val")

    def convert(new: Path) -> None:
        folder = world / "panoptic" / "val" / folder_name
        try:
            coco_panoptic.convert(path, folder, new, "val", numbering="label_ids")
        except InputError as error:  # a message may name the PNG instead
            raise InputError(*(message.replace(str(folder), str(path)) for message in error.messages)) from error
        images, faults = panoptic_reader.parse((new / json_name).read_bytes())
        if faults or not all((new / folder_name / image.file_name).is_file() for image in images):
            raise SilentError(f"wrote {faults}")

    _in_new_folder(path, convert)


def _read_labelme(path: Path, _: Path) -> None:
    from cityscapes.convert import labelme

    inside = path.parent / "labelme"
    inside.mkdir(exist_ok=True)
    shutil.copyfile(path, inside / path.name)
    _in_new_folder(path, lambda new: _require_polygons(labelme.convert(inside, new).images, new))


def _read_cvat(path: Path, _: Path) -> None:
    from cityscapes.convert import cvat

    _in_new_folder(path, lambda new: _require_polygons(cvat.convert(path, new).images, new))


def _require_polygons(images: int, new: Path) -> None:
    from cityscapes.ground_truth import polygons

    written = [polygons.read(path) for path in new.rglob("*_polygons.json")]
    if len(written) != images:
        raise SilentError(f"wrote {len(written)} files for {images} images")


def _in_new_folder(path: Path, work: Callable[[Path], None]) -> None:
    new = path.parent / "new"
    try:
        work(new)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _lines(content: bytes, rng: random.Random) -> bytes:
    """A text file whose words are damaged; a few have very many lines."""
    return mutations.text(content, rng) if rng.random() < 0.999 else mutations.raw(content * 10_000, rng)


TASK_PARSERS: dict[str, Parser] = {
    "instance_text": Parser(".txt", lambda world: files(world, "instances/*/*.txt"), _lines, _read_instance_text),
    "instance_mask": Parser(
        ".png", lambda world: files(world, "instances/val/masks/*.png"), mutations.png, _read_instance_mask
    ),
    "panoptic_json": Parser(
        ".json", lambda world: files(world, "panoptic/*/*.json"), mutations.json_text, _read_panoptic_json
    ),
    "coco_results": Parser(".json", lambda world: files(world, "coco/*.json"), mutations.json_text, _read_coco_results),
    "coco_panoptic": Parser(
        ".json", lambda world: files(world, "panoptic/val/*.json"), mutations.json_text, _read_coco_panoptic
    ),
    "labelme": Parser(".json", lambda world: files(world, "labelme/*.json"), mutations.json_text, _read_labelme),
    "cvat": Parser(".json", lambda world: files(world, "cvat/*.json"), mutations.json_text, _read_cvat),
}
