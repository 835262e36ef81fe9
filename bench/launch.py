"""Python processes with deadlines: start, watch, and kill them together with all their descendants."""

import atexit
import contextlib
import math
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from bench import REPOSITORY

POLL_SECONDS = 0.005
"""Seconds between two polls of a process; times that are taken at its end are too long by at most this."""


class ProcessResult(NamedTuple):
    """Result of a process that has ended."""

    code: int | None
    """Exit code, negative for a signal; None if the process was killed at its deadline."""
    seconds: float
    """Seconds from its start to its end."""
    out: str
    """Everything that it wrote to stdout."""
    error: str
    """Everything that it wrote to stderr."""


class ProcessHandle(Protocol):
    """A started process: its id, and whether it still runs."""

    @property
    def pid(self) -> int | None:
        """Process id; None if the process has not started."""

    def poll(self) -> int | None:
        """Exit code, None while the process runs."""


StartProcess = Callable[[Sequence[str], Path, Path, Mapping[str, str]], ProcessHandle]
"""Function that starts a Python process, given its arguments, its stdout and stderr files and environment variables.

The variables are set in addition to those of this process.
"""


def start_interpreter(arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> ProcessHandle:
    """Start a new interpreter, as a user in a shell does, in its own process group."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)}
    with out.open("wb") as stdout, error.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
        )


class ForkedProcess:
    """A fork of this process that runs a script, so that nothing is imported twice; for rehearsals on CPUs.

    CUDA and OpenMP do not survive a fork, so the forking process must not have used them.
    """

    def __init__(self, arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> None:
        copied = (list(arguments), out, error, dict(variables))
        self._process = multiprocessing.get_context("fork").Process(target=_run_script, args=copied)
        self._process.start()

    @property
    def pid(self) -> int | None:
        """Process id; None if the process has not started."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit code, None while the process runs."""
        return self._process.exitcode


class Job:
    """A running process with its output and its deadline.

    Args:
        arguments: arguments of the Python process.
        limit: seconds after which it is killed.
        variables: environment variables, in addition to those of this process.
        start: function that starts it.
        grace: seconds between SIGTERM and SIGKILL at the deadline; 0 kills it at once.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        limit: float = math.inf,
        variables: Mapping[str, str] | None = None,
        start: StartProcess = start_interpreter,
        grace: float = 0.0,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-job-")
        folder = Path(self._folder.name)
        self._out, self._error = folder / "out", folder / "error"
        self._limit, self._grace = limit, grace
        self._began = time.monotonic()
        self._process = start(arguments, self._out, self._error, variables or {})

    @property
    def seconds(self) -> float:
        """Seconds since the start of the process."""
        return time.monotonic() - self._began

    @property
    def pid(self) -> int | None:
        """Process id; None if the process has not started."""
        return self._process.pid

    @property
    def out(self) -> str:
        """Everything that the process has written to stdout so far."""
        return _text(self._out)

    def poll(self) -> ProcessResult | None:
        """Result of the process, None while it runs; a process past its deadline is killed first."""
        code = self._process.poll()
        if code is None:
            if self.seconds <= self._limit:
                return None
            self._terminate()
        ended = ProcessResult(code, self.seconds, _text(self._out), _text(self._error))
        kill_tree(self._process.pid)  # processes that it left running
        self._folder.cleanup()
        return ended

    def wait(self, watch: Callable[[], None] = lambda: None) -> ProcessResult:
        """Wait for the end or the deadline, and call `watch` meanwhile; an exception (Ctrl-C too) kills the process."""
        try:
            while (ended := self.poll()) is None:
                watch()
                time.sleep(POLL_SECONDS)
            return ended
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the process and its descendants, and remove its output files."""
        self._terminate()
        self._folder.cleanup()

    def _terminate(self) -> None:
        """End the process and its descendants, after the grace period if there is one."""
        if self._grace and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self._grace
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        kill_tree(self._process.pid)
        while self._process.poll() is None:  # reap it, so that no zombie remains
            time.sleep(POLL_SECONDS)


def kill_all(jobs: Sequence[Job]) -> None:
    """Kill all jobs and their descendants; none is waited for before all of them have been killed."""
    for job in jobs:
        kill_tree(job.pid)
    for job in jobs:
        job.kill()


def kill_tree(pid: int | None) -> None:
    """Kill a process, its descendants, and the remaining processes of every group that one of these leads."""
    if pid is None:
        return
    family = [pid]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += [child.pid for child in psutil.Process(pid).children(recursive=True)]
    for number in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
        # A process whose parent has ended is no longer a descendant, but it is still in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)


def _run_script(arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> None:
    """Run a script, a module (-m) or code (-c) in this process, as the interpreter does."""
    os.setpgid(0, 0)
    atexit._clear()  # exit handlers of the parent, which would for example remove its temporary folders
    os.environ.update(variables)
    tempfile.tempdir = None  # determined again, because the variables may name another folder
    os.chdir(REPOSITORY)
    for path, stream in ((out, 1), (error, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    if arguments[0] == "-m":
        sys.argv = [arguments[1], *arguments[2:]]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
