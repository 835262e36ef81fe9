"""Watch every file operation of this process below a folder, and let chosen ones fail.

Watched is what goes through Python: `open` and what it gives, and the functions of `os` that pathlib, shutil, zipfile,
Pillow, NumPy and torch use. A library that opens files in C++ of its own (OpenVINO's) is not seen.
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
"""Kind of operation -> what it can fail with; the others like `rename`, with EIO or EACCES."""
_TAKES_ROOM = {"create", "write", "fsync", "mkdir"}


class Operation(NamedTuple):
    """One operation of a command, the same in every run of it."""

    kind: str
    """A function of `os`, or open, create, read, write."""
    path: str
    """Below the folder, a process id in it as PID."""
    number: int
    """How many of this kind there were on this path before."""

    def errors(self) -> tuple[int, ...]:
        """What the operation can fail with."""
        return _ERRORS.get(self.kind, (errno.EIO, errno.EACCES))


@dataclass(frozen=True)
class Fault:
    """An operation that fails, and with it what fails for the same reason from then on.

    A full disk stays full: nothing takes room any more. What is broken or forbidden stays so: operations of the same
    kind on the same path.
    """

    operation: Operation
    error: int

    def strikes(self, operation: Operation) -> bool:
        """Whether another operation, after this one, fails too."""
        if self.error == errno.ENOSPC:
            return operation.kind in _TAKES_ROOM
        return operation[:2] == self.operation[:2]


class Watch:
    """The operations below a folder since `install`, in their order, and the fault that strikes one of them."""

    def __init__(self, folder: Path, fault: Fault | None = None, note: Callable[[Operation], object] | None = None):
        self._folder = os.path.realpath(folder) + os.sep
        self._fault, self._note = fault, note
        self._seen: Counter[tuple[str, str]] = Counter()
        self._broken = False
        self._lock = threading.RLock()
        self._open: dict[int, str] = {}

    def install(self) -> None:
        """Watch from now until this process ends."""
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
                self.meet(name, args[place])
            return usual(*args, **options)

        setattr(os, name, watched)

    def _patch_descriptors(self) -> None:
        open_, read, fsync, close = os.open, os.read, os.fsync, os.close

        def watched_open(path: Any, flags: int, *args: Any, **options: Any) -> int:
            writes = flags & (os.O_WRONLY | os.O_RDWR)
            self.meet("create" if writes else "open", path)
            descriptor = open_(path, flags, *args, **options)
            if (known := self._watched(path)) is not None:
                self._open[descriptor] = known
            return descriptor

        def watched_read(descriptor: int, size: int) -> bytes:
            self.meet("read", self._open.get(descriptor), named=False)
            return read(descriptor, size)

        def watched_fsync(descriptor: int) -> None:
            self.meet("fsync", _path_of(descriptor), named=False)
            fsync(descriptor)

        def watched_close(descriptor: int) -> None:
            self._open.pop(descriptor, None)
            close(descriptor)

        watched = {"open": watched_open, "read": watched_read, "fsync": watched_fsync, "close": watched_close}
        for name, function in watched.items():
            setattr(os, name, function)

    def _watched(self, path: Any) -> str | None:
        """The full path, if it is below the folder."""
        if path is None or isinstance(path, int):
            return None
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        return full if full.startswith(self._folder) else None

    def meet(self, kind: str, path: Any, *, named: bool = True) -> None:
        """Note an operation; raise OSError if it is to fail, with the file's name where the system gives one."""
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
            if not self._broken or not (operation == self._fault.operation or self._fault.strikes(operation)):
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
        """As `open` gives it, over a file whose reads and writes are watched."""
        writes = any(letter in mode for letter in "wxa+")
        if not isinstance(file, int):
            self.meet("create" if writes else "open", file)
        raw = _Watched(self, path, file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedWriter if writes else io.BufferedReader
        buffer = kind(raw)
        if "b" in mode:
            return buffer
        return io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering=buffering == 1)


class _Watched(io.FileIO):
    """A file whose reads and writes are watched."""

    def __init__(self, watch: Watch, path: str, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener)
        self._watch, self._path = watch, path

    def readinto(self, buffer: Any) -> int | None:
        self._watch.meet("read", self._path, named=False)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._watch.meet("read", self._path, named=False)
        return super().readall()

    def write(self, content: Any) -> int:
        self._watch.meet("write", self._path, named=False)
        return super().write(content)


def _path_of(descriptor: int) -> str | None:
    """The path of an open file, where the system tells it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return None
