"""Files of a submission of the panoptic task: the JSON file, the folder of its PNGs, and what does not belong to it."""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import panoptic
from cityscapes.formats.panoptic import AnnotatedImage
from cityscapes.predictions import FIX_COMMAND, kind_of_name
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.recognition import panoptic_files
from cityscapes.submission.report import HARMLESS
from engine.findings import Finding, counted, fault, note

JSON_NAME, FOLDER = panoptic.file_names("test")
"""Names of the JSON file and of the folder of its PNGs, both at the top of a submission."""
_OTHER_SPLIT = re.compile(r"cityscapes_panoptic_(train|val)(_trainId)?\.json")


class Files(NamedTuple):
    """Files of a submission."""

    entries: Sequence[Entry]
    positions: Mapping[str, int]
    """Path of each file -> its position in `entries`."""
    jsons: Sequence[Entry]
    """JSON files of predictions; the first one is used."""

    @classmethod
    def of(cls, path: Path, entries: Sequence[Entry]) -> "Files":
        """Find the JSON files among the files of a folder or zip."""
        jsons = sorted(panoptic_files(path, entries), key=lambda entry: (entry.name != JSON_NAME, entry.name))
        return cls(entries, {entry.name: number for number, entry in enumerate(entries)}, jsons)

    def faults(self) -> Iterator[Finding]:
        """Faults of the number and of the name of the JSON file."""
        if not self.jsons:
            what = f"got no {JSON_NAME} among {counted(len(self.entries), 'file')}"
            yield fault("missing JSON", what, "write it next to the folder of the PNGs", [])
            return
        names = [entry.name for entry in self.jsons]
        if len(names) > 1:
            what = f"got {len(names)} JSON files of predictions, expected one"
            yield fault("JSON files", what, f"keep {JSON_NAME} alone", names[:2], len(names))
        elif _OTHER_SPLIT.fullmatch(self.jsons[0].basename):
            yield fault("split", f"got {names[0]}, expected {JSON_NAME}", "predict the test split", [])
        elif names[0] != JSON_NAME:
            yield fault("name", f"got {names[0]}, expected {JSON_NAME} at the top", f"rename it: {FIX_COMMAND}", [])

    def folder(self, images: Sequence[AnnotatedImage]) -> str:
        """Path of the folder that has the PNGs of annotations; that of a correct submission if there are none."""
        json_name = self.jsons[0].name
        above, stem = posixpath.dirname(json_name), posixpath.splitext(posixpath.basename(json_name))[0]
        names = {posixpath.basename(image.file_name) for image in images}
        elsewhere = (posixpath.dirname(entry.name) for entry in self.entries if entry.basename in names)
        for folder in (
            FOLDER,
            posixpath.join(above, FOLDER),
            posixpath.join(above, stem),
            above,
            next(elsewhere, FOLDER),
        ):
            if any(posixpath.join(folder, image.file_name) in self.positions for image in images):
                return folder
        return FOLDER

    def notes(self, mentioned: Collection[str]) -> Iterator[Finding]:
        """Notes on files that the server ignores.

        Args:
            mentioned: paths of the JSON file and of its PNGs.
        """
        unused: dict[bool, list[str]] = {False: [], True: []}
        for entry in self.entries:
            if entry.problem is None and entry.name not in mentioned:
                unused[kind_of_name(entry.name) == "hidden"].append(entry.name)
        if unused[False]:
            what = f"got {counted(len(unused[False]), 'file')} that the JSON file does not name"
            yield note("unused", what, HARMLESS, unused[False][:2], len(unused[False]))
        if unused[True]:
            what = f"got {counted(len(unused[True]), 'hidden file')}, for example those that macOS creates"
            yield note("hidden", what, HARMLESS, unused[True][:2], len(unused[True]))


def folder_fault(folder: str) -> Iterator[Finding]:
    """A fault for PNGs in another folder than that of a correct submission."""
    if folder != FOLDER:
        got = f"{folder}/" if folder else "the top folder"
        yield fault("folder", f"got the PNGs in {got}, expected {FOLDER}/", f"move them: {FIX_COMMAND}", [])
