"""A folder or zip of files, listed and read into memory one by one; nothing is ever unpacked."""

import lzma
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from cityscapes.predictions import FIX_COMMAND
from engine.errors import InputError
from engine.files import folders
from engine.files.archives import require_readable
from engine.files.content import read_bytes
from engine.findings import Finding, counted, fault

Item = TypeVar("Item")

MAX_FILES = 20_000
MAX_BYTES = 64 << 20
"""Larger files are not read: a 2048x1024 mask has 2 MiB before it is compressed."""

_SMALLEST_BATCH, _BATCHES_EACH = 16, 8
"""Files a batch, and batches a worker."""

_PACK_AGAIN = "pack the folder again: python -m cityscapes.submission pack DIR ZIP"
_FAULTS = {
    "unsafe name": ("names that leave the folder (absolute, or with `..`)", _PACK_AGAIN),
    "no name": ("files without a name", _PACK_AGAIN),
    "backslash": ("names with a backslash, expected `/` between folders", f"name them anew: {FIX_COMMAND}"),
    "encrypted": ("encrypted files, which the server cannot read", "pack again without a password"),
    "symbolic link": ("symbolic links, expected the files themselves", _PACK_AGAIN),
    "nested archive": ("archives within the archive", f"unpack them and {_PACK_AGAIN}"),
    "too large": (f"files of more than {MAX_BYTES >> 20} MiB, which no mask has", "write 8-bit PNGs of label ids"),
}
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # NotImplementedError for unknown compression is one
    ValueError,
)


class Entry(NamedTuple):
    """One file of a folder or zip."""

    name: str
    """The path below the folder or within the zip."""
    position: int = 0
    """The position in the zip's listing: two members may have the same name."""
    problem: str | None = None
    """Why the file must not be read, if so."""

    @property
    def basename(self) -> str:
        """The last part of the name."""
        return re.split(r"[/\\]", self.name)[-1]


def entries(source: Path) -> list[Entry]:
    """The files of a folder at any depth, or of a zip, sorted by name.

    Raises:
        InputError: if there is no such folder or zip, far too many files, or a folder in it that cannot be listed.
    """
    if source.is_dir():
        files = (path for path in folders.find(source, "*", hidden=True) if not path.is_dir())
        found = [_entry_of_file(path, path.relative_to(source).as_posix()) for path in files]
    elif source.is_file():
        with _open_zip(source) as archive:
            infos = enumerate(archive.infolist())
            found = [_entry_of_zip(info, position) for position, info in infos if not info.filename.endswith("/")]
    else:
        kind = "is neither folder nor file" if source.exists() else "no such folder or zip"
        raise InputError(f"{source}: {kind}; give the folder of the predictions, or their zip")
    if len(found) > MAX_FILES:
        raise InputError(f"{source}: got {len(found)} files, expected at most {MAX_FILES}; is this the right one?")
    return sorted(found)


def read(source: Path, entries: Sequence[Entry]) -> Iterator[bytes | InputError]:
    """The content of each member in turn, or what is wrong with it."""
    if source.is_dir():
        for entry in entries:
            path = source / entry.name
            try:
                yield read_bytes(path)
            except InputError as error:
                yield InputError(str(error).removeprefix(f"{path}: "))
        return
    with _open_zip(source) as archive:
        infos = archive.infolist()
        for entry in entries:
            yield _content(archive, infos[entry.position])


def batches(entries: Sequence[Item], workers: int) -> list[Sequence[Item]]:
    """Parts that a process reads at a time: few, because the listing of a zip is parsed for each of them."""
    size = max(_SMALLEST_BATCH, math.ceil(len(entries) / (_BATCHES_EACH * max(1, workers))))
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def faults_of(found: Sequence[Entry]) -> Iterator[Finding]:
    """One fault for each reason why members must not be read."""
    for problem, (what, remedy) in _FAULTS.items():
        names = [entry.name for entry in found if entry.problem == problem]
        if names:
            yield fault(problem, f"got {counted(len(names), 'file')}: {what}", remedy, names)


def _entry_of_file(path: Path, name: str) -> Entry:
    try:
        size = path.stat().st_size
    except OSError:  # told with its reason when it is read
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
    try:
        return zipfile.ZipFile(source)
    except _UNREADABLE as error:
        kind = "the file is empty" if source.stat().st_size == 0 else f"no whole zip ({error})"
        raise InputError(f"{source}: {kind}; {_PACK_AGAIN}") from error


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | InputError:
    try:
        with archive.open(info) as file:
            # One byte more than declared makes the checksum count, and no more is ever inflated.
            return file.read(info.file_size + 1)
    except _UNREADABLE as error:
        return InputError(str(error))
