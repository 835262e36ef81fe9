"""The task that the files of a folder or zip are for, by their names, otherwise by the content of a few."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import instance
from cityscapes.layout import frame_of, stem_in
from cityscapes.predictions import kind_of_name
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.tasks import Task, require_task
from engine.errors import InputError
from engine.findings import counted

PANOPTIC_NAME = re.compile(r"cityscapes_panoptic_\w+\.json", re.ASCII)
_PANOPTIC_FOLDER = re.compile(r"cityscapes_panoptic_\w+", re.ASCII)
_PANOPTIC_KEYS = (b'"annotations"', b'"segments_info"')
_READ = 8
"""Number of files of other names that are read."""


class Recognised(NamedTuple):
    """One task that a folder or zip has predictions for."""

    task: Task
    evidence: str
    """Files that show it, for messages; empty if the task was given."""


def recognise(path: Path, entries: Sequence[Entry], task: Task | None = None) -> Recognised:
    """The task of the predictions in a folder or zip.

    Args:
        path: the folder or zip.
        entries: its files.
        task: the task if it is known; the files are then only searched for predictions of another one.

    Raises:
        InputError: if there are predictions of two tasks, which are named with an example of each; if those of the
            given task, instance or panoptic, are of the other one; or if the folder has only PNGs of the panoptic task.
    """
    if task is not None:
        require_task(task)
    if _PANOPTIC_FOLDER.fullmatch(path.name) and path.with_suffix(".json").is_file():
        raise InputError(f"{path}: got the folder of the PNGs alone; give the folder above, {path.parent}")
    found = _found(path, entries)
    if len(found) > 1:
        tasks = " and ".join(f"the {one.task} task ({one.evidence})" for one in found)
        raise InputError(f"{path}: two tasks: got predictions of {tasks}; give each task a folder of its own")
    if task is None:
        return found[0] if found else Recognised("pixel", "no files of the other tasks")
    if found and found[0].task != task and task != "pixel":  # text files may accompany PNGs of the pixel task
        got, evidence = found[0]
        raise InputError(
            f"{path}: other task: got predictions of the {got} task ({evidence}), expected those of the {task} task; "
            f"give --task {got}"
        )
    return Recognised(task, "")


def instance_files(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """The text files of predictions of the instance task: by name, otherwise by their lines if they name an image."""
    candidates = [
        entry
        for entry in entries
        if entry.name.lower().endswith(".txt") and stem_in(entry.name) and kind_of_name(entry.name) != "hidden"
    ]
    named = [entry for entry in candidates if entry.name.endswith(".txt") and frame_of(entry.basename)]
    return named or [entry for entry, content in _read_some(path, candidates) if instance.parse(content)[0]]


def panoptic_files(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """The JSON files of predictions of the panoptic task: by name, otherwise by their keys."""
    candidates = [
        entry for entry in entries if entry.name.lower().endswith(".json") and kind_of_name(entry.name) != "hidden"
    ]
    named = [entry for entry in candidates if PANOPTIC_NAME.fullmatch(entry.basename)]
    if named:
        return named
    return [entry for entry, content in _read_some(path, candidates) if all(key in content for key in _PANOPTIC_KEYS)]


def _read_some(path: Path, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """The first files that can be read, with their content."""
    searched = [entry for entry in entries if entry.problem is None][:_READ]
    if searched:
        for entry, content in zip(searched, archive_reader.read(path, searched), strict=True):
            if not isinstance(content, InputError):
                yield entry, content


def _found(path: Path, entries: Sequence[Entry]) -> list[Recognised]:
    """The tasks that files clearly belong to; for the pixel task only next to files of another one."""
    texts = instance_files(path, entries)
    found = []
    if texts:
        found.append(Recognised("instance", f"{counted(len(texts), 'text file')}, for example {texts[0].name}"))
    files = panoptic_files(path, entries)
    inside, outside = _stems_of_pngs(entries)
    if not found and not files and inside and not outside:
        found.append(Recognised("panoptic", "the name of the folder of the PNGs"))
    if files:
        found.append(Recognised("panoptic", files[0].name))
        if inside and inside <= outside.keys():
            found.insert(
                0, Recognised("pixel", f"{counted(len(outside), 'PNG file')}, for example {min(outside.values())}")
            )
    return found


def _stems_of_pngs(entries: Sequence[Entry]) -> tuple[set[str], dict[str, str]]:
    """Stems of the images of PNGs within folders of the panoptic task, and stem -> file of those outside of them."""
    inside: set[str] = set()
    outside: dict[str, str] = {}
    for entry in entries:
        if kind_of_name(entry.name) == "prediction":
            stem = frame_of(entry.basename) or ""
            if any(map(_PANOPTIC_FOLDER.fullmatch, entry.name.split("/")[:-1])):
                inside.add(stem)
            else:
                outside.setdefault(stem, entry.name)
    return inside, outside
