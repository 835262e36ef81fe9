"""What became of a command that was disturbed: was it answered well?"""

import hashlib
import json
import re
import zipfile
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.reliability.stage import Outcome

BAD_INPUT = 2
_CLOCKS = {"images_per_second", "seconds", "data_wait", "process_memory_mib", "commit", "environment", "lr"}
"""Figures that differ from run to run; `lr` of an optimizer is that of its last step, set anew before the next."""
_UNEQUAL = ("environment.json", "profile.json", "curves.png", "tensorboard", "history.csv", "README.md")
"""Files that hold times or the machine; only that they are whole is compared."""


class Verdict(StrEnum):
    """How a disturbed command ended."""

    ANSWERED = "answered"
    """The right result, or exit code 2 and a message that names the file."""
    VALID = "valid"
    """The damage is no damage that anybody could see: the file is a valid one of other content."""
    UNCLEAR = "unclear"
    """Exit code 2, but no message names the file."""
    TRACEBACK = "traceback"
    """A traceback, a crash, or an exit code that means nothing."""
    HANG = "hang"
    """It took too long, or left processes behind."""
    SILENT = "silent"
    """A wrong result without a word."""
    LOST = "lost"
    """A file that was whole before is damaged or gone, half a file has its final name, or a rerun is not equal."""


GOOD = {Verdict.ANSWERED, Verdict.VALID}
State = Mapping[str, str]
"""Path below a folder -> what it holds, equal for results that are equal; `broken: why` for half a file."""


def state(folder: Path) -> dict[str, str]:
    """The files of a folder, but for what is being written and locks."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.endswith((".part", ".lock")) for part in inside.parts):
            name = inside.as_posix()
            try:
                found[re.sub(r"events\..*", "events", name)] = _content(path)
            except Exception as error:  # half a file fails in many ways
                found[name] = f"broken: {type(error).__name__} {error}"
    return found


def _content(path: Path) -> str:
    """What a file holds; raises anything if it is not whole."""
    content: Any = path.read_bytes()
    match path.suffix:
        case ".pth" | ".pt":
            content = _of_checkpoint(path)
        case ".zip" | ".pt2" | ".npz":
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(damaged)
                if path.suffix == ".pt2":  # whose first folder has the name that the file had while it was written
                    content = sorted((info.filename.partition("/")[2], info.CRC) for info in archive.infolist())
        case ".png":
            from PIL import Image

            with Image.open(path) as image:
                image.load()
        case ".json":
            content = _without_clocks(json.loads(content))
        case ".jsonl":
            content = [_without_clocks(json.loads(line)) for line in content.decode().splitlines()]
        case ".npy":
            import numpy as np

            content = np.load(path).tobytes()
    if any(part in _UNEQUAL for part in path.parts):
        return "whole"
    return hashlib.sha256(content if isinstance(content, bytes) else repr(content).encode()).hexdigest()


def _of_checkpoint(path: Path) -> Any:
    import torch

    return _plain(torch.load(path, weights_only=True))


def _plain(value: Any) -> Any:
    """A checkpoint's content with bytes in place of tensors, and without clocks."""
    import torch

    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in _CLOCKS}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_clocks(inner) for key, inner in sorted(value.items()) if key not in _CLOCKS}
    if isinstance(value, list):
        return [_without_clocks(inner) for inner in value]
    return value


def of_ending(outcome: Outcome, usual: int | None, named: Collection[str]) -> Verdict:
    """The verdict on exit code and words alone.

    Args:
        outcome: of the disturbed command.
        usual: the exit code of the undisturbed one; None where only a message is right.
        named: a message must name one of these.
    """
    if outcome.code is None or outcome.orphans:
        return Verdict.HANG
    if "Traceback (most recent call last)" in outcome.text or outcome.code not in (usual, BAD_INPUT):
        return Verdict.TRACEBACK
    if outcome.code == BAD_INPUT != usual and not any(name in outcome.text for name in named):
        return Verdict.UNCLEAR
    return Verdict.ANSWERED


def harm(before: State, now: State, end: State) -> str | None:
    """What was lost, if anything: each file must be as it was before or as it is at the end, or at least be whole."""
    for name in before.keys() - now.keys():
        if name in end:
            return f"{name} is gone"
    for name, content in now.items():
        if content.startswith("broken") and content not in (before.get(name), end.get(name)):
            return f"{name} is {content}"
        if name in before and name not in end and content != before[name]:
            return f"{name} was changed"
    return None


def differences(now: State, end: State) -> list[str]:
    """The files that are not as in the undisturbed end."""
    return sorted(name for name in now.keys() | end.keys() if now.get(name) != end.get(name))
