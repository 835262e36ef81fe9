"""Reader for a folder or zip: lists its files and reads them into memory one by one, without unpacking anything."""

import lzma
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from cityscapes.predictions import CONVERT_COMMAND, FIX_COMMAND
from engine.errors import InputError
from engine.files import folders
from engine.files.archives import require_readable
from engine.files.content import read_bytes
from engine.findings import Finding, counted, fault

Item = TypeVar("Item")

MAX_FILES = 20_000
"""Number of files above which a submission of the pixel or panoptic task is not read; these have one per image."""
MAX_LISTED = 2_000_000
"""Number of files above which nothing is read: a submission of the instance task has one mask per instance."""
MAX_BYTES = 64 << 20
"""Size above which files are not read: a 2048 x 1024 mask has 2 MiB before compression."""

_SMALLEST_BATCH, _BATCHES_EACH = 16, 8
"""Minimum number of files per batch, and number of batches per worker."""

PACK_AGAIN = "pack the folder again: python -m cityscapes.submission pack DIR ZIP"
_FAULTS = {
    "unsafe name": ("names that leave the folder, absolute or with `..`", PACK_AGAIN),
    "no name": ("files without a name", PACK_AGAIN),
    "backslash": ("names with a backslash, expected `/` between folders", f"rename them: {FIX_COMMAND}"),
    "encrypted": ("encrypted files, which the server cannot read", "pack again without a password"),
    "symbolic link": ("symbolic links, expected the files themselves", PACK_AGAIN),
    "nested archive": ("archives within the archive", f"unpack them and {PACK_AGAIN}"),
    "too large": (
        f"files of more than {MAX_BYTES >> 20} MiB, larger than any file of a submission",
        "write masks as PNGs of 8 bits, and JSON without other keys than those of the format",
    ),
}
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # includes NotImplementedError, for unknown compression
    ValueError,
)


class Entry(NamedTuple):
    """One file of a folder or zip."""

    name: str
    """Path within the folder or zip."""
    position: int = 0
    """Position in the listing of the zip, because two files may have the same name."""
    problem: str | None = None
    """Reason why the file must not be read, a key of `_FAULTS`; None if it may be read."""

    @property
    def basename(self) -> str:
        """File name without folders."""
        return re.split(r"[/\\]", self.name)[-1]


def entries(source: Path) -> list[Entry]:
    """All files of a folder and its subfolders, or of a zip, sorted by name.

    Raises:
        InputError: if there is no such folder or zip, if it has too many files, or if a folder cannot be listed.
    """
    if source.is_dir():
        files = (path for path in folders.find(source, "*", hidden=True) if not path.is_dir())
        found = [_entry_of_file(path, path.relative_to(source).as_posix()) for path in files]
    elif source.is_file():
        with _open_zip(source) as archive:
            infos = enumerate(archive.infolist())
            found = [_entry_of_zip(info, position) for position, info in infos if not info.filename.endswith("/")]
    else:
        kind = "is neither a folder nor a file" if source.exists() else "no such folder or zip"
        raise InputError(f"{source}: {kind}; give the folder or the zip of the predictions")
    require_at_most(source, found, MAX_LISTED)
    return sorted(found)


def require_at_most(source: Path, entries: Sequence[Entry], most: int) -> None:
    """Check the number of files.

    Raises:
        InputError: if there are more.
    """
    if len(entries) > most:
        raise InputError(
            f"{source}: got {len(entries)} files, expected at most {most}; check that this is the right path"
        )


def require_some(source: Path, entries: Sequence[Entry]) -> None:
    """Check that there are files.

    Raises:
        InputError: if there are none.
    """
    if not entries:
        raise InputError(f"{source}: got no file at all, expected predictions; predict the test split first")


def read(source: Path, entries: Sequence[Entry]) -> Iterator[bytes | InputError]:
    """The content of each file in turn, or the error of reading it."""
    with opened(source) as read_one:
        for entry in entries:
            yield read_one(entry)


@contextmanager
def opened(source: Path) -> Iterator[Callable[[Entry], bytes | InputError]]:
    """A function that reads a file of a folder or zip, or returns the error of reading it; the zip is opened once."""
    if source.is_dir():

        def of_folder(entry: Entry) -> bytes | InputError:
            path = source / entry.name
            try:
                return read_bytes(path)
            except InputError as error:
                return InputError(str(error).removeprefix(f"{path}: "))

        yield of_folder
        return
    with _open_zip(source) as archive:
        infos = archive.infolist()
        yield lambda entry: _content(archive, infos[entry.position])


def batches(entries: Sequence[Item], workers: int) -> list[Sequence[Item]]:
    """Batches of files for parallel processes: few, because the listing of the zip is parsed for each batch."""
    size = max(_SMALLEST_BATCH, math.ceil(len(entries) / (_BATCHES_EACH * max(1, workers))))
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def faults_of(found: Sequence[Entry]) -> Iterator[Finding]:
    """One fault for each reason why files must not be read."""
    for problem, (what, remedy) in _FAULTS.items():
        names = [entry.name for entry in found if entry.problem == problem]
        if names:
            yield fault(problem, f"got {counted(len(names), 'file')}: {what}", remedy, names)


def _entry_of_file(path: Path, name: str) -> Entry:
    try:
        size = path.stat().st_size
    except OSError:  # reported when the file is read
        size = 0
    problem = "too large" if size > MAX_BYTES else "backslash" if "\\" in name else None
    return Entry(name, problem=problem)


def _entry_of_zip(info: zipfile.ZipInfo, position: int) -> Entry:
    name = info.filename
    problem = None
    if not name:
        problem = "no name"
    elif name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in re.split(r"[/\\]", name):
        problem = "unsafe name"
    elif "\\" in name:
        problem = "backslash"
    elif info.flag_bits & 1:
        problem = "encrypted"
    elif stat.S_ISLNK(info.external_attr >> 16):
        problem = "symbolic link"
    elif name.lower().endswith(_ARCHIVES):
        problem = "nested archive"
    elif max(info.file_size, info.compress_size) > MAX_BYTES:
        problem = "too large"
    return Entry(name, position, problem)


def _open_zip(source: Path) -> zipfile.ZipFile:
    require_readable(source)
    if source.suffix == ".json":
        raise InputError(
            f"{source}: got a JSON file, expected a folder or zip; give the folder that has it, or convert results of "
            f"COCO: {CONVERT_COMMAND}"
        )
    try:
        return zipfile.ZipFile(source)
    except _UNREADABLE as error:
        kind = "the file is empty" if source.stat().st_size == 0 else f"not a complete zip ({error})"
        raise InputError(f"{source}: {kind}; {PACK_AGAIN}") from error


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | InputError:
    try:
        with archive.open(info) as file:
            # One byte more than declared, so that the checksum is verified; nothing beyond it is inflated.
            return file.read(info.file_size + 1)
    except _UNREADABLE as error:
        return InputError(str(error))
