"""Python processes with deadlines: started, watched, and killed with all that they started themselves."""

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
"""Between two looks at a process; what is timed by its end is off by this at most."""


class ProcessResult(NamedTuple):
    """What came of a process."""

    code: int | None
    """Its exit code, negative for a signal; None if it was killed at its deadline."""
    seconds: float
    out: str
    error: str


class ProcessHandle(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int | None:
        """Its number."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""


StartProcess = Callable[[Sequence[str], Path, Path, Mapping[str, str]], ProcessHandle]
"""Starts a Python process with these arguments, files for stdout and stderr, and more environment variables."""


def start_interpreter(arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> ProcessHandle:
    """Start a new interpreter, as a person at a shell does, in a process group of its own."""
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
    """A copy of this process that runs a script, so that nothing is imported twice; for rehearsals on CPUs.

    CUDA and OpenMP do not survive a fork: a process that forks must not have used either.
    """

    def __init__(self, arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> None:
        copied = (list(arguments), out, error, dict(variables))
        self._process = multiprocessing.get_context("fork").Process(target=_run_script, args=copied)
        self._process.start()

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode


class Job:
    """A running process with its output, its start and its deadline.

    Args:
        words: arguments of the Python process.
        limit: seconds after which it is killed.
        variables: environment variables beside those of this process.
        start: how to start it.
        grace: seconds between SIGTERM and SIGKILL at the deadline; 0 to kill it at once.
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
        """Since its start."""
        return time.monotonic() - self._began

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    @property
    def out(self) -> str:
        """What it has written to stdout so far."""
        return _text(self._out)

    def poll(self) -> ProcessResult | None:
        """What came of it, None while it runs; a process past its deadline is killed."""
        code = self._process.poll()
        if code is None:
            if self.seconds <= self._limit:
                return None
            self._terminate()
        ended = ProcessResult(code, self.seconds, _text(self._out), _text(self._error))
        kill_tree(self._process.pid)  # what it left running
        self._folder.cleanup()
        return ended

    def wait(self, watch: Callable[[], None] = lambda: None) -> ProcessResult:
        """Wait for its end or its deadline, and call `watch` all the while; it is killed if this process is stopped."""
        try:
            while (ended := self.poll()) is None:
                watch()
                time.sleep(POLL_SECONDS)
            return ended
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it and all that it started, and forget its output."""
        self._terminate()
        self._folder.cleanup()

    def _terminate(self) -> None:
        """End it and all that it started."""
        if self._grace and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self._grace
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        kill_tree(self._process.pid)
        while self._process.poll() is None:  # so that nobody is left to be waited for
            time.sleep(POLL_SECONDS)


def kill_all(jobs: Sequence[Job]) -> None:
    """End all of them and all that they started: none is waited for before the last one was killed."""
    for job in jobs:
        kill_tree(job.pid)
    for job in jobs:
        job.kill()


def kill_tree(pid: int | None) -> None:
    """Kill a process, its descendants, and what is left of the process groups that any of these leads."""
    if pid is None:
        return
    family = [pid]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += [child.pid for child in psutil.Process(pid).children(recursive=True)]
    for number in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
        # A process whose parent has ended is no descendant any more, but still in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)


def _run_script(arguments: Sequence[str], out: Path, error: Path, variables: Mapping[str, str]) -> None:
    """Run a script, a module after -m or code after -c in this process, as the interpreter would."""
    os.setpgid(0, 0)
    atexit._clear()  # what the process it is a copy of does at its end, for example with its temporary folders
    os.environ.update(variables)
    tempfile.tempdir = None  # is found anew, because the variables may name another one
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
