"""Run work in a forked process, and measure its exit code, output, time and memory."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

Work = Callable[[], int]
"""Function that returns an exit code."""

_MEMORY = 8 << 30
"""Memory limit in bytes; without it, a command that reads /dev/zero would exhaust the machine."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of work: exit code, output, time and memory."""

    code: int | None
    """Exit code, negative for a signal; None if the work was killed at the time limit."""
    text: str
    """Output on stdout and stderr, in their order."""
    seconds: float
    mib: float
    """Peak memory in MiB, with memory shared with this process."""
    orphans: int = 0
    """Number of processes that it left behind."""


@dataclass(frozen=True)
class Kill:
    """A signal, and the seconds after which it is sent."""

    number: signal.Signals
    after: float


def perform(work: Work, folder: Path, *, limit: float = 60, kill: Kill | None = None, patience: float = 8) -> Outcome:
    """Fork a process, do the work there in a folder, and wait for its end.

    The fork has all modules loaded, so a command starts in milliseconds. This process must not have threads.

    Args:
        work: to do.
        folder: working folder.
        limit: seconds after which the process is killed.
        kill: signal to send to it.
        patience: seconds that its own processes may outlive it; torch's workers check every five for their parent.
    """
    with tempfile.TemporaryFile() as said:
        ready, tells = os.pipe()
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # blocked until the fork starts its work
        process = os.fork()
        if process == 0:
            _perform(work, folder, said.fileno(), tells, usual)
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        os.close(tells)
        os.read(ready, 1)
        os.close(ready)
        began = time.monotonic()
        ended = _wait(process, began, limit, kill)
        seconds = time.monotonic() - began
        orphans = _end_group(process, patience)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if ended is None:
        return Outcome(None, text, seconds, 0, orphans)
    status, mib = ended
    return Outcome(os.waitstatus_to_exitcode(status), text, seconds, mib, orphans)


def _perform(work: Work, folder: Path, output: int, tells: int, signals: Iterable[int]) -> None:
    """Do the work in the forked process; this function never returns."""
    code = 1
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        os.close(tells)  # ready
        try:
            code = work()
        except SystemExit as end:  # raised by argparse
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        _end_children()
    finally:
        os._exit(code)


def _end_children() -> None:
    """End child processes like Python at its exit, which waits for children that ignore the signal."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join()


def _wait(process: int, began: float, limit: float, kill: Kill | None) -> tuple[int, float] | None:
    """Exit status and peak memory in MiB; None after the time limit."""
    pause = 0.001
    while True:
        found, status, usage = os.wait4(process, os.WNOHANG)
        if found:
            return status, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
        elapsed = time.monotonic() - began
        if kill is not None and elapsed >= kill.after:
            os.kill(process, kill.number)
            kill = None
        if elapsed > limit:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None
        time.sleep(pause if kill is None else min(pause, max(0, kill.after - elapsed)))
        pause = min(1.2 * pause, 0.02)


def _end_group(process: int, patience: float) -> int:
    """Kill the processes that a process left behind, and return their number."""
    deadline = time.monotonic() + patience
    while left := _members(process):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            while _members(process):
                time.sleep(0.02)
            return left
        time.sleep(0.02)
    return 0


def _members(group: int) -> int:
    """Number of live processes of a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return 0
    except PermissionError:  # macOS raises it for zombies
        return 0
    number = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            number += os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    return number
