"""The task that a folder of predictions is for, by the names of its files."""

from pathlib import Path

from cityscapes.layout import frame_of
from engine.errors import InputError
from engine.files.folders import find


def task_of(folder: Path) -> str | None:
    """The task of the predictions in a folder, or None if the names of its files do not show it.

    Panoptic predictions have a file `cityscapes_panoptic_<split>.json`, instance predictions a text file for each
    image. PNGs named after images are pixel predictions if there are no text or JSON files.
    """
    try:
        files = find(folder, "*")
    except InputError:  # reported by the scorer
        return None
    named = {path.suffix for path in files if frame_of(path.name)}
    if any(path.match("cityscapes_panoptic_*.json") for path in files):
        return "panoptic"
    if ".txt" in named:
        return "instance"
    return "pixel" if ".png" in named and not any(path.suffix in (".txt", ".json") for path in files) else None


def hint(folder: Path, task: str) -> list[str]:
    """A message if the predictions in a folder are for another task than this one; otherwise none."""
    found = task_of(folder)
    if found in (None, task):
        return []
    return [f"{folder}: got predictions of the {found} task, expected those of the {task} task; give --task {found}"]
