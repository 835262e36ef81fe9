"""The standard streams of a command, also where the shell has closed them."""

import io
import os
import sys
from pathlib import Path


def require() -> None:
    """Have a stdout and a stderr, and let them take any text.

    Where the shell has closed them (`>&-`), the next file to be opened would otherwise get their numbers, and with
    them what native libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    closed = sys.stdout is None
    if closed:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the process ends
    if sys.stderr is None:
        sys.stderr = sys.stdout
    if closed:
        print("note: stdout is closed; results go to files only", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stdout_is_writable() -> bool:
    """Whether stdout takes another line, which is tried with an empty one; flushing a second time would not tell."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return False
    return True


def discard_stdout() -> None:
    """Let Python not complain about a stdout that takes no more when it closes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
