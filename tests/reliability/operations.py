"""Fault injection: record the file operations of this process in a folder, and let chosen ones fail.

It covers operations through Python: `open` and its files, and the functions of `os` that pathlib, shutil, zipfile,
Pillow, NumPy and torch use. Files that a library opens in C++ code, such as OpenVINO, are not covered.
"""

import builtins
import errno
import io
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_OF_PATHS = ("stat", "lstat", "scandir", "listdir", "mkdir", "rmdir", "unlink", "remove", "utime", "truncate")
_OF_TWO_PATHS = ("rename", "replace", "link", "symlink")
_ERRORS = {
    "open": (errno.EIO, errno.EACCES),
    "read": (errno.EIO,),
    "stat": (errno.EIO, errno.EACCES),
    "lstat": (errno.EIO, errno.EACCES),
    "scandir": (errno.EACCES, errno.EIO),
    "listdir": (errno.EACCES, errno.EIO),
    "create": (errno.ENOSPC, errno.EACCES, errno.EIO),
    "write": (errno.ENOSPC, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC),
    "mkdir": (errno.ENOSPC, errno.EACCES, errno.EIO),
}
"""Kind of operation -> its possible errors; all others, such as `rename`, fail with EIO or EACCES."""
_TAKES_ROOM = {"create", "write", "fsync", "mkdir"}


class Operation(NamedTuple):
    """One file operation of a command, the same in each run of it."""

    kind: str
    """Name of a function of `os`, or open, create, read, write."""
    path: str
    """Path relative to the folder, with PID instead of a process id."""
    number: int
    """Number of earlier operations of this kind on this path."""

    def errors(self) -> tuple[int, ...]:
        """The possible errors of the operation."""
        return _ERRORS.get(self.kind, (errno.EIO, errno.EACCES))


@dataclass(frozen=True)
class Fault:
    """A failing operation, and all later operations that fail for the same reason.

    A full disk stays full, so all later operations that need space fail. After other errors, all later operations of
    the same kind on the same path fail.
    """

    operation: Operation
    error: int

    def applies_to(self, operation: Operation) -> bool:
        """Whether a later operation fails too."""
        if self.error == errno.ENOSPC:
            return operation.kind in _TAKES_ROOM
        return operation[:2] == self.operation[:2]


class FaultInjector:
    """Records the operations in a folder since `install`, in their order, and injects a fault."""

    def __init__(self, folder: Path, fault: Fault | None = None, note: Callable[[Operation], object] | None = None):
        self._folder = os.path.realpath(folder) + os.sep
        self._fault, self._note = fault, note
        self._seen: Counter[tuple[str, str]] = Counter()
        self._broken = False
        self._lock = threading.RLock()
        self._open: dict[int, str] = {}

    def install(self) -> None:
        """Patch the functions of this process until it ends."""
        for name in _OF_PATHS:
            self._patch(name, place=0)
        for name in _OF_TWO_PATHS:
            self._patch(name, place=1)
        self._patch_descriptors()
        usual = io.open

        def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            path = self._open.pop(file, None) if isinstance(file, int) else self._watched(file)
            return (
                usual(file, mode, *args, **options)
                if path is None
                else self._opened(path, file, mode, *args, **options)
            )

        io.open = builtins.open = opened

    def _patch(self, name: str, place: int) -> None:
        usual = getattr(os, name)

        def watched(*args: Any, **options: Any) -> Any:
            if len(args) > place and "dir_fd" not in options:
                self.on_operation(name, args[place])
            return usual(*args, **options)

        setattr(os, name, watched)

    def _patch_descriptors(self) -> None:
        open_, read, fsync, close = os.open, os.read, os.fsync, os.close

        def watched_open(path: Any, flags: int, *args: Any, **options: Any) -> int:
            writes = flags & (os.O_WRONLY | os.O_RDWR)
            self.on_operation("create" if writes else "open", path)
            descriptor = open_(path, flags, *args, **options)
            if (known := self._watched(path)) is not None:
                self._open[descriptor] = known
            return descriptor

        def watched_read(descriptor: int, size: int) -> bytes:
            self.on_operation("read", self._open.get(descriptor), named=False)
            return read(descriptor, size)

        def watched_fsync(descriptor: int) -> None:
            self.on_operation("fsync", _path_of(descriptor), named=False)
            fsync(descriptor)

        def watched_close(descriptor: int) -> None:
            self._open.pop(descriptor, None)
            close(descriptor)

        watched = {"open": watched_open, "read": watched_read, "fsync": watched_fsync, "close": watched_close}
        for name, function in watched.items():
            setattr(os, name, function)

    def _watched(self, path: Any) -> str | None:
        """The full path, if it is in the folder; otherwise None."""
        if path is None or isinstance(path, int):
            return None
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        return full if full.startswith(self._folder) else None

    def on_operation(self, kind: str, path: Any, *, named: bool = True) -> None:
        """Record an operation; raise OSError if it fails, with the file name if the system would give it."""
        full = self._watched(path)
        if full is None:
            return
        name = re.sub(rf"\b{os.getpid()}\b", "PID", full.removeprefix(self._folder))
        with self._lock:
            operation = Operation(kind, name, self._seen[kind, name])
            self._seen[kind, name] += 1
            if self._note is not None:
                self._note(operation)
            if self._fault is None:
                return
            self._broken |= operation == self._fault.operation
            if not self._broken or not (operation == self._fault.operation or self._fault.applies_to(operation)):
                return
            error = self._fault.error
        raise OSError(error, os.strerror(error), *([path] if named else []))

    def _opened(
        self,
        path: str,
        file: Any,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        """A file like that of `open`, whose reads and writes are recorded."""
        writes = any(letter in mode for letter in "wxa+")
        if not isinstance(file, int):
            self.on_operation("create" if writes else "open", file)
        raw = _InjectedFile(self, path, file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedWriter if writes else io.BufferedReader
        buffer = kind(raw)
        if "b" in mode:
            return buffer
        return io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering=buffering == 1)


class _InjectedFile(io.FileIO):
    """A file whose reads and writes are recorded, and may fail."""

    def __init__(self, watch: FaultInjector, path: str, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener)
        self._watch, self._path = watch, path

    def readinto(self, buffer: Any) -> int | None:
        self._watch.on_operation("read", self._path, named=False)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._watch.on_operation("read", self._path, named=False)
        return super().readall()

    def write(self, content: Any) -> int:
        self._watch.on_operation("write", self._path, named=False)
        return super().write(content)


def _path_of(descriptor: int) -> str | None:
    """The path of an open file; None if the system does not report it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return None
