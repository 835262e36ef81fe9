"""Files of a submission of the instance task by their names: text files, and everything that may be a mask."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from cityscapes.layout import frame_of
from cityscapes.predictions import FIX_COMMAND, kind_of_name
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.report import HARMLESS
from engine.findings import Finding, counted, fault, note

_RENAME = "name them after their images, for example berlin_000000_000019.txt"


class TextFile(NamedTuple):
    """A text file that the server would read."""

    stem: str
    """Stem of the image that it belongs to."""
    entry: Entry

    @property
    def folder(self) -> str:
        """Path of its folder within the submission, to which the paths of its masks are relative."""
        return self.entry.name.rpartition("/")[0]


class Files(NamedTuple):
    """Files of a submission."""

    texts: list[TextFile]
    """Text files with the name of an image, in the order of their paths."""
    misnamed: list[str]
    """Text files without the name of an image at the start."""
    uppercase: list[str]
    """Files whose names end in .TXT and start with the name of an image."""
    others: list[Entry]
    """All other files, for example masks."""
    hidden: list[str]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Files":
        """Sort the files of a submission by their names."""
        files = cls([], [], [], [], [])
        for entry in entries:
            stem = frame_of(entry.basename)
            if kind_of_name(entry.name) == "hidden":
                files.hidden.append(entry.name)
            elif not entry.name.lower().endswith(".txt"):
                files.others.append(entry)
            elif stem is None:
                files.misnamed.append(entry.name)
            elif not entry.name.endswith(".txt"):
                files.uppercase.append(entry.name)
            else:
                files.texts.append(TextFile(stem, entry))
        return files

    def faults(self, *, complete: bool) -> Iterator[Finding]:
        """Faults of the names of text files.

        Args:
            complete: whether each image has a text file.
        """
        if self.misnamed and not complete:
            what = f"got {counted(len(self.misnamed), 'text file')} without <city>_<6 digits>_<6 digits> at the start"
            yield fault("name", what, f"{_RENAME}: {FIX_COMMAND}", self.misnamed[:2], len(self.misnamed))
        if self.uppercase:
            what = f"got {counted(len(self.uppercase), 'name')} ending in .TXT, expected .txt"
            yield fault("suffix", what, f"rename them: {FIX_COMMAND}", self.uppercase[:2], len(self.uppercase))

    def notes(self, mentioned: Collection[str]) -> Iterator[Finding]:
        """Notes on files that the server ignores.

        Args:
            mentioned: paths of the masks that text files name.
        """
        if self.misnamed:
            what = f"got {counted(len(self.misnamed), 'text file')} without <city>_<6 digits>_<6 digits> at the start"
            yield note("name", what, f"if they are predictions, {_RENAME}", self.misnamed[:2], len(self.misnamed))
        unused = [entry.name for entry in self.others if entry.problem is None and entry.name not in mentioned]
        if unused:
            what = f"got {counted(len(unused), 'file')} that no text file names"
            yield note("unused", what, HARMLESS, unused[:2], len(unused))
        if self.hidden:
            what = f"got {counted(len(self.hidden), 'hidden file')}, for example those that macOS creates"
            yield note("hidden", what, HARMLESS, self.hidden[:2], len(self.hidden))


def duplicates(stems: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """A fault for images with several text files.

    Args:
        stems: stem of an image -> paths of its text files.
    """
    doubled = [" and ".join(names[:2]) for names in stems.values() if len(names) > 1]
    if doubled:
        what = f"got more than one text file for {counted(len(doubled), 'image')}"
        yield fault("duplicates", what, "keep one text file for each image", doubled[:2], len(doubled))
