"""The end of commands: error messages and exit codes."""

import atexit
import errno
import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import NoReturn, Protocol

from engine.cli import interrupts, streams
from engine.cli.invocation import spelled
from engine.errors import InputError, Stopped, printable, stop

BAD_INPUT = 2
INTERRUPTED = 130

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Error numbers of a stream that accepts no more output."""
_MOMENT = 0.01
"""Seconds until a dropped signal is repeated."""
_REMEDIES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n), or give fewer --workers",
    errno.ENFILE: "close other programs, or give fewer --workers",
    errno.ENOMEM: "close other programs, or give fewer --workers",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or give fewer --workers",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.ENOSPC: "make room on the disk, in /tmp and in /dev/shm too",
    errno.EDQUOT: "make room on the disk, or raise the quota",
}
"""Error number of an OSError without a file name -> remedy."""


class Command(Protocol):
    """A command's `main`: from arguments (those of the process by default) to an exit code."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...  # noqa: D102


def command(main: Command) -> Command:
    """Make a command's `main` end with a message and an exit code, never with a traceback.

    Exit code 2 means invalid input or a wrong flag, 130 Ctrl-C, and 128 plus its number another signal. Limits of the
    system (memory, processes, a full stdout) are reported like invalid input. All other errors are bugs of this program
    and keep their tracebacks.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        streams.require()
        try:
            with _stopped_in_order():
                code = main(argv)
            sys.stdout.flush()
        except BaseException as error:
            return _ended_by(error)
        return code

    return guarded


def _ended_by(error: BaseException) -> int:
    """Report why a command ended, and return its exit code; bugs of this program are raised again."""
    code = BAD_INPUT
    if isinstance(error, InputError):
        report(error.messages)
    elif isinstance(error, Stopped):
        print(f"{error}; run the same command to resume", file=sys.stderr)
        code = 128 + error.number
    elif isinstance(error, BrokenPipeError):  # the reader of a pipe has ended, for example `| head`
        streams.discard_stdout()
        code = 0
    elif (message := interrupts.missing(error) or _of_the_system(error)) is not None:
        report([message])
    elif _interrupted(error):
        print("\ninterrupted; what was finished is kept, run the same command to resume", file=sys.stderr)
        code = INTERRUPTED
    else:
        raise error
    return code


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Context in which SIGTERM stops the command with a message, after unfinished files are removed."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    usual = sys.unraisablehook
    sys.unraisablehook = functools.partial(_repeat_signals, usual)
    try:
        yield
    finally:
        sys.unraisablehook = usual
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _repeat_signals(usual: Callable[["sys.UnraisableHookArgs"], object], dropped: "sys.UnraisableHookArgs") -> None:
    """Repeat the signal of an exception that Python drops because it was raised in a destructor or in a callback.

    Otherwise the command would continue. The signal comes a moment later, when the destructor or callback has ended.
    """
    error = dropped.exc_value
    if isinstance(error, Stopped):
        number = error.number
        signal.signal(number, stop)  # which has restored the default
    elif isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    else:
        usual(dropped)
        return
    threading.Timer(_MOMENT, os.kill, (os.getpid(), number)).start()


def _of_the_system(error: BaseException) -> str | None:
    """The message for an error of the system; None for all other errors."""
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return f"not enough memory or processes ({error!r}); give fewer --workers, or raise the limits"
    if isinstance(error, BrokenExecutor):
        return str(error)
    if not isinstance(error, OSError):
        return None
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno in _FULL and not streams.stdout_is_writable():
        streams.discard_stdout()
        return f"stdout: cannot print the results ({error.strerror}); files that were written are complete"
    remedy = _REMEDIES.get(error.errno or 0, "check the disks that the command reads and writes")
    return f"the system refuses ({error.strerror or error}); {remedy}"


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is the root cause of an error.

    Inside a lock of the standard library, it makes the release of the lock fail with another error.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code like `sys.exit`, but without the teardown of native libraries.

    The teardown takes half a second. It can also abort a process of a distributed job, whose threads may still be
    communicating, and thus change the exit code (docs/decisions/0016). Worker processes that are still alive are
    killed, because Python would wait for them and they ignore SIGTERM.
    """
    for child in multiprocessing.active_children():
        child.kill()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report(messages: Sequence[str]) -> None:
    """Print the messages on stderr, each after `error:`."""
    for message in messages:
        print(f"error: {printable(spelled(message))}", file=sys.stderr)


def warn(messages: Iterable[str]) -> None:
    """Print the messages on stderr, each after `warning:`."""
    for message in messages:
        print(f"warning: {printable(spelled(message))}", file=sys.stderr)
