"""How commands end: messages for people, and exit codes."""

import atexit
import functools
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from engine.errors import InputError, Stopped

BAD_INPUT = 2
INTERRUPTED = 130


class Command(Protocol):
    """A command's `main`: from arguments (those of the process by default) to an exit code."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...  # noqa: D102


def command(main: Command) -> Command:
    """Make a command's `main` end with a message and an exit code, never with a traceback.

    Bad input ends with code 2, as for a wrong flag; Ctrl-C with 130; another signal with 128 and its number.
    A fault that is not the user's keeps its traceback: it is ours to mend.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            code = main(argv)
            sys.stdout.flush()
            return code
        except InputError as error:
            report(error.messages)
            return BAD_INPUT
        except Stopped as stopped:
            print(f"{stopped}; run the same command to go on", file=sys.stderr)
            return 128 + stopped.number
        except BrokenPipeError:
            # `| head` has seen enough; Python must not complain either when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as error:
            if error.filename is None:
                raise
            report([f"{error.filename}: {error.strerror}"])
            return BAD_INPUT
        except BaseException as error:
            if not _interrupted(error):
                raise
            print("\ninterrupted; what was finished is kept, run the same command to go on", file=sys.stderr)
            return INTERRUPTED

    return guarded


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is at the root of an error.

    Where it strikes inside a lock of the standard library, the lock's release fails, with an error of its own.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def leave(code: int) -> NoReturn:
    """End this process with an exit code, as `sys.exit` does, but leave the memory of native libraries to the system.

    To take these down takes half a second. It can also abort a process that works together with others, whose threads
    may still be communicating; the exit code is then another one. See decision 16.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report(messages: Sequence[str]) -> None:
    """Print every message on stderr, each with `error:` before it."""
    for message in messages:
        print(f"error: {message}", file=sys.stderr)
