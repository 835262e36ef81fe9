"""Verdicts on disturbed commands."""

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
_CLOCKS = {"images_per_second", "seconds", "data_wait", "process_memory_mib", "commit", "environment", "lr", "time"}
"""Figures that differ between runs; `lr` of an optimizer is set again before each step, and `time` is of a check."""
_UNEQUAL = ("environment.json", "profile.json", "curves.png", "tensorboard", "history.csv", "README.md")
"""Files with times or names of the machine, of which only completeness is compared."""


class Verdict(StrEnum):
    """Verdict on the end of a disturbed command."""

    ANSWERED = "answered"
    """The right result, or exit code 2 with a message that names the file."""
    VALID = "valid"
    """The damage cannot be detected, because the file is another valid file."""
    UNCLEAR = "unclear"
    """Exit code 2, but no message names the file."""
    TRACEBACK = "traceback"
    """A traceback, a crash, or an undefined exit code."""
    HANG = "hang"
    """The command took too long, or left processes behind."""
    SILENT = "silent"
    """A wrong result without a message."""
    LOST = "lost"
    """A complete file is damaged or missing, a partial file has its final name, or a rerun gives another result."""


GOOD = {Verdict.ANSWERED, Verdict.VALID}
State = Mapping[str, str]
"""Path relative to a folder -> a text that is equal for equal results; `broken: reason` for a partial file."""


def state(folder: Path) -> dict[str, str]:
    """The files of a folder, without unfinished files and locks."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.endswith((".part", ".lock")) for part in inside.parts):
            name = inside.as_posix()
            try:
                found[re.sub(r"events\..*", "events", name)] = _content(path)
            except Exception as error:  # a partial file can raise any exception
                found[name] = f"broken: {type(error).__name__} {error}"
    return found


def _content(path: Path) -> str:
    """A hash of the content of a file; raises any exception if it is not complete."""
    content: Any = path.read_bytes()
    match path.suffix:
        case ".pth" | ".pt":
            content = _of_checkpoint(path)
        case ".safetensors":
            from engine.checkpoints.safetensors import read_safetensors

            read_safetensors(path, content)  # verifies the checksum
        case ".zip" | ".pt2" | ".npz":
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(damaged)
                if path.suffix == ".pt2":  # its first folder has the temporary name of the file
                    content = sorted((info.filename.partition("/")[2], info.CRC) for info in archive.infolist())
        case ".png":
            from PIL import Image

            with Image.open(path) as image:
                image.load()
        case ".json":
            content = _without_clocks(json.loads(content))
        case ".jsonl":
            content = [_without_clocks(json.loads(line)) for line in content.decode().splitlines()]
        case ".html":
            if not content.endswith(b"</html>"):
                raise ValueError("no end")
            content = re.sub(rb"made \d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", content)
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
    """The content of a checkpoint with bytes instead of tensors, and without clocks."""
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
    """The verdict on exit code and output alone.

    Args:
        outcome: of the disturbed command.
        usual: exit code of the undisturbed command; None if only a message is right.
        named: texts of which a message must contain one.
    """
    if outcome.code is None or outcome.orphans:
        return Verdict.HANG
    if "Traceback (most recent call last)" in outcome.text or outcome.code not in (usual, BAD_INPUT):
        return Verdict.TRACEBACK
    if outcome.code == BAD_INPUT != usual and not any(name in outcome.text for name in named):
        return Verdict.UNCLEAR
    return Verdict.ANSWERED


def harm(before: State, now: State, end: State) -> str | None:
    """The loss, if any: each file must be as before or as at the undisturbed end, or at least be complete."""
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
    """The files that differ from the undisturbed end."""
    return sorted(name for name in now.keys() | end.keys() if now.get(name) != end.get(name))
