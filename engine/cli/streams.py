"""The standard streams of a command, also if the shell has closed them."""

import io
import os
import sys
from pathlib import Path


def require() -> None:
    """Ensure that stdout and stderr are open and accept all characters.

    If the shell has closed them (`>&-`), the next opened file would otherwise get their descriptors, and with them
    the output of native libraries.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor
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
    """Whether stdout accepts output, tried with an empty line, because a second flush does not fail."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return False
    return True


def discard_stdout() -> None:
    """Redirect stdout to the null device, so that Python reports no error when it closes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
