"""Parsers of files of unknown origin: their test files, their mutations, and checks of their results."""

import json
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

from tests.reliability import mutations
from tests.reliability.parser import Parser, SilentError, files, png_damage
from tests.reliability.task_parsers import TASK_PARSERS


def _short(polygons: bytes) -> bytes:
    """A polygon file with its first eight objects, which is read faster."""
    content = json.loads(polygons)
    return json.dumps({**content, "objects": content["objects"][:8]}).encode()


def _read_polygons(path: Path, _: Path) -> None:
    from cityscapes.ground_truth import polygons

    annotation = polygons.read(path)
    if annotation.width * annotation.height <= 1 << 14:
        masks = polygons.draw(annotation)
        if masks.instance_ids.shape != (annotation.height, annotation.width) or masks.label_ids.max() > 33:
            raise SilentError(f"drew {masks.instance_ids.shape} with labels up to {masks.label_ids.max()}")


def _read_png(path: Path, _: Path) -> None:
    from engine.errors import InputError
    from engine.files import images

    faults = []
    for read in (images.image_size, images.read_ids, images.read_image):
        try:
            read(path)
        except InputError as error:
            faults.append(error)
        else:
            stream = read is images.read_ids  # for photographs only the checksums of chunks are compared
            if read is not images.image_size and (damage := png_damage(path.read_bytes(), stream=stream)):
                raise SilentError(f"{read.__name__} took a PNG with {damage}")
    if faults:
        raise faults[0]


def _read_checkpoint(path: Path, _: Path) -> None:
    import torch

    from engine import checkpoints

    content = checkpoints.load(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        damaged = None  # the older format of torch has no checksums
    if damaged:
        raise SilentError(f"took a checkpoint with a wrong checksum in {damaged}")
    for name, tensor in content.weights.items():
        if not tensor.is_floating_point() and tensor.ndim:
            raise SilentError(f"took {name} of {tensor.dtype}")
        if tensor.is_floating_point() and not torch.isfinite(tensor.double()).all():
            raise SilentError(f"took {name} with NaN or infinity")


def _read_yaml(path: Path, _: Path) -> None:
    from engine.files.documents import read_yaml

    _require_plain(read_yaml(path))


def _require_plain(value: Any) -> None:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise SilentError("accepted a key that is not a string")
        for inner in value.values():
            _require_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            _require_plain(inner)
    elif not isinstance(value, str | int | float | bool | None):
        raise SilentError(f"took a {type(value).__name__}")


def _read_recipe(path: Path, _: Path) -> None:
    from engine.cli import options
    from engine.training.config import TrainingConfig

    options.parse(TrainingConfig, ["--recipe", str(path)], prog="x", description="", examples=[], recipes=path.parent)


def _read_zip(path: Path, world: Path) -> None:
    from cityscapes import submission

    if submission.check(path, world / "data").ok:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(world / "packed.zip") as whole:
            pngs = [name for name in archive.namelist() if name.endswith(".png")]
            if archive.testzip() or len(pngs) != len(whole.namelist()):
                raise SilentError(f"took a zip of {pngs}")
            for name in pngs:
                if damage := png_damage(archive.read(name)):
                    raise SilentError(f"took {name} with {damage}")


def _read_labels(path: Path, _: Path) -> None:
    from cityscapes import label_file

    table = label_file.read(path)
    if table.color_of.shape != (256, 3):
        raise SilentError("a table without a colour for each id")


_LABELS = (
    b"name,id,trainId,color,hasInstances\nroad,7,0,#804080,0\ncar,26,13,0 0 142,1\nsky,23,255,#4682b4,\n",
    b"name,id,trainId,color\nunlabeled,0,255,#000000\nroad,7,0,#804080\nlicense plate,-1,-1,#00008e\n",
)
_LABELS_YAML = (
    b"- name: road\n  id: 7\n  trainId: 0\n  color: [128, 64, 128]\n"
    b"- {name: car, id: 26, trainId: 13, color: '#00008e'}\n",
    b'- name: "sky"\n  id: 23\n  trainId: -1\n  color: "#4682b4"\n  hasInstances: 0\n',
)
_RECIPES = (
    b"# a recipe\nepochs: 3\nbatch_size: 2\nlearning_rate: 1e-3\nloss: focal+dice\naugmentation: none\ncurves: false\n",
    b"{epochs: 2, optimizer: sgd, momentum: 0.9, weight_decay: 5.0e-4, ema: 0.99, crop_size: 64}\n",
)


def _png_of_zip(name: str, content: bytes, rng: random.Random) -> bytes:
    return mutations.png(content, rng) if name.endswith(".png") else mutations.raw(content, rng)


def _part_of_checkpoint(name: str, content: bytes, rng: random.Random) -> bytes:
    """A damaged pickle or tensor of a checkpoint."""
    if name.endswith(".pkl"):
        swaps = (
            b"FloatStorage",
            b"DoubleStorage",
            b"LongStorage",
            b"BoolStorage",
            b"_rebuild_tensor_v2",
            b"OrderedDict",
        )
        if rng.random() < 0.5:
            return content.replace(rng.choice(swaps), rng.choice(swaps), 1)
        return mutations.raw(content, rng)
    if rng.random() < 0.5 and len(content) >= 4:
        place = rng.randrange(len(content) // 4) * 4
        value = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38)))
        return content[:place] + value + content[place + 4 :]
    return mutations.raw(content, rng)


PARSERS: dict[str, Parser] = {
    "polygons": Parser(
        ".json",
        lambda world: [_short(content) for content in files(world, "data/gtFine/*/*/*_polygons.json")],
        mutations.json_text,
        _read_polygons,
    ),
    "png": Parser(
        ".png",
        lambda world: files(world, "data/gtFine/val/*/*Ids.png", "photos/*.png", "predictions/val/*/*.png"),
        mutations.png,
        _read_png,
    ),
    "checkpoint": Parser(
        ".pth",
        lambda world: files(world, "saved/begun/last.pth", *3 * ["weights/w.pth"]),  # the smaller one is faster
        lambda content, rng: mutations.archive(content, rng, _part_of_checkpoint),
        _read_checkpoint,
        heavy=True,
    ),
    "safetensors": Parser(
        ".safetensors",
        lambda world: files(world, "saved/done/best.safetensors"),
        mutations.raw,
        _read_checkpoint,
        heavy=True,
    ),
    "yaml": Parser(".yaml", lambda _: [*_RECIPES, *_LABELS_YAML], mutations.text, _read_yaml),
    "recipe": Parser(".yaml", lambda _: _RECIPES, mutations.text, _read_recipe),
    "zip": Parser(
        ".zip",
        lambda world: files(world, "packed.zip"),
        lambda content, rng: mutations.archive(content, rng, _png_of_zip),
        _read_zip,
    ),
    **TASK_PARSERS,
    "labels": Parser(".csv", lambda _: _LABELS, mutations.text, _read_labels),
    "labels_yaml": Parser(".yaml", lambda _: _LABELS_YAML, mutations.text, _read_labels),
}
