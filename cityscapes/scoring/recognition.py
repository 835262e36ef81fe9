"""The tasks that a folder of predictions is for, by its files."""

from collections.abc import Sequence
from pathlib import Path

from cityscapes.formats import instance
from cityscapes.layout import frame_of
from engine.arrays import MIB
from engine.errors import InputError
from engine.files.content import read_bytes
from engine.files.folders import find

_READ = 8
"""Number of text files that are read."""
_MAX_TEXT = MIB
"""Bytes of the largest text file that is read."""


def tasks_of(folder: Path) -> list[str]:
    """The tasks of the predictions in a folder; empty if its files do not show them.

    Panoptic predictions have a file `cityscapes_panoptic_<split>.json`, instance predictions text files with lines of
    masks. PNGs named after images are pixel predictions if there are no text or JSON files, unless such a JSON file is
    next to their folder.
    """
    try:
        files = find(folder, "*")
    except InputError:  # reported by the scorer
        return []
    texts = [path for path in files if path.suffix == ".txt" and frame_of(path.name)]
    tasks = ["instance"] if _has_lines(texts) else []
    if any(path.match("cityscapes_panoptic_*.json") for path in files):
        tasks.append("panoptic")
    if any(path.suffix in (".txt", ".json") for path in files):
        return tasks
    if folder.name.startswith("cityscapes_panoptic_") and (folder.parent / f"{folder.name}.json").is_file():
        return ["panoptic"]
    return ["pixel"] if any(path.suffix == ".png" and frame_of(path.name) for path in files) else []


def _has_lines(texts: Sequence[Path]) -> bool:
    """Whether one of the first text files has a line of the instance task."""
    for path in sorted(texts)[:_READ]:
        try:
            if path.stat().st_size <= _MAX_TEXT and instance.parse(read_bytes(path))[0]:
                return True
        except (InputError, OSError):  # reported by the scorer
            continue
    return False


def other_task(folder: Path, task: str) -> str | None:
    """The message if the predictions in a folder are certainly for another task than this one; otherwise None."""
    found = tasks_of(folder)
    if not found or task in found:
        return None
    if len(found) > 1:
        return f"{folder}: got predictions of the {' and the '.join(found)} task; give the folder of the {task} task"
    of = found[0]
    return f"{folder}: got predictions of the {of} task, expected those of the {task} task; give --task {of}"
