"""Splits weights into small files, and joins them again.

Some machines limit files that are copied back to 16 MiB. A checkpoint of 9.4 million parameters is then saved as
float16 in two parts, `NAME.pth.1of2` and `NAME.pth.2of2`, which are joined to `NAME.pth` on another machine.
"""

import io
import re
from pathlib import Path
from typing import Any

import torch

from bench import plan
from engine import checkpoints
from engine.checkpoints import About, StateDict
from engine.errors import InputError
from engine.files.atomic import write_bytes

LARGEST = 15 << 20
"""Most bytes of a part, somewhat below 16 MiB."""
_PART = re.compile(r"(?P<name>.+\.pth)\.(?P<number>\d+)of(?P<count>\d+)")


def split(checkpoint: Path, folder: Path, name: str, *, most: int, largest: int = LARGEST) -> list[Path]:
    """Write a checkpoint's weights to a folder as float16, in parts.

    Args:
        checkpoint: checkpoint of `train_fcn.py`.
        folder: folder for the parts.
        name: name of the joined file, which ends with .pth.
        most: most parts that may be written.
        largest: most bytes of a part.

    Returns:
        The paths of the parts; empty, and nothing is written, if there would be more than `most`.

    Raises:
        InputError: if the file is not a checkpoint of `train_fcn.py`.
    """
    found = checkpoints.load(checkpoint)
    if found.about is None:
        raise InputError(f"{checkpoint}: weights of another program; expected those of train_fcn.py")
    buffer = io.BytesIO()
    torch.save({"about": vars(found.about), "weights": _halved(found.weights)}, buffer)
    whole = buffer.getvalue()
    count = plan.part_count(len(whole), largest)
    if count > most:
        return []
    paths = [folder / f"{name}.{number + 1}of{count}" for number in range(count)]
    for number, path in enumerate(paths):
        write_bytes(path, whole[number * largest : (number + 1) * largest])
    return paths


def join(folder: Path) -> list[Path]:
    """Join all parts in a folder to float32 checkpoints, and write these to the same folder.

    Returns:
        The paths of the checkpoints.

    Raises:
        InputError: if there are no parts, or one is missing.
    """
    found: dict[tuple[str, int], dict[int, Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := _PART.fullmatch(path.name):
            found.setdefault((match["name"], int(match["count"])), {})[int(match["number"])] = path
    if not found:
        raise InputError(
            f"{folder}: no parts of weights; expected files such as NAME.pth.1of2, which python -m bench gpu writes"
        )
    missing = [
        f"{folder / name}.{number}of{count}: no such file; copy this part there too"
        for (name, count), parts in found.items()
        for number in range(1, count + 1)
        if number not in parts
    ]
    if missing:
        raise InputError(*missing)
    return [_joined(folder / name, [parts[number] for number in sorted(parts)]) for (name, _), parts in found.items()]


def _joined(target: Path, parts: list[Path]) -> Path:
    whole = io.BytesIO(b"".join(path.read_bytes() for path in parts))
    content: dict[str, Any] = torch.load(whole, map_location="cpu", weights_only=True)
    weights = {
        name: value.float() if value.is_floating_point() else value for name, value in content["weights"].items()
    }
    checkpoints.save(target, weights, About(**content["about"]))
    return target


def _halved(weights: StateDict) -> StateDict:
    """The weights as float16; tensors with values outside its range, and integers, keep their type."""
    halves = {name: value.half() for name, value in weights.items() if value.is_floating_point()}
    return {
        name: halves[name].contiguous() if name in halves and halves[name].isfinite().all() else value
        for name, value in weights.items()
    }
