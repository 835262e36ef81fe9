"""The argument parser of all commands and tools, and the types of flags."""

import argparse
import difflib
import math
import re
import sys
from functools import partial
from typing import Any, NoReturn

from engine.cli.invocation import spelled
from engine.errors import printable
from engine.parallel import available_cpus
from engine.ranges import WORKERS, Range

_LONGEST = 400
"""Largest number of characters of a message, because a value may have thousands."""


class Parser(argparse.ArgumentParser):
    """Argument parser that reports an error in one line, and suggests a flag for an unknown one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings, "prog": spelled(settings["prog"])})

        self.origin = ""
        """Origin of the arguments for messages, if not all of them are from the command line."""

    def format_help(self) -> str:
        """The help, with commands spelled as they can be typed here."""
        return spelled(super().format_help())

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse like argparse, but refuse unknown arguments here, where the flags of a subcommand are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [word for word in unknown if word.startswith("-")]
            self.error("; ".join(map(self._unknown, flags or unknown)))
        return found, []

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is not expected here"
        flag = f"--{word.lstrip('-').partition('=')[0].replace('-', '_')}"
        close = difflib.get_close_matches(flag, re.findall(r"--[a-z]\w*", self.format_usage()), 1)
        return f"there is no option {word.partition('=')[0]}" + (f"; did you mean {close[0]}?" if close else "")

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with code 2."""
        message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
        program = f"python {self.prog}" if self.prog.endswith(".py") else self.prog
        print(f"error: {printable(message)} ({self.origin}see {program} --help)", file=sys.stderr)
        sys.exit(2)


def whole(text: str) -> int:
    """The value of a flag as an integer of up to 64 bits."""
    try:
        number = int(text)
    except ValueError:  # raised for thousands of digits too
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of up to 18 digits")
    return number


def finite(text: str) -> float:
    """The value of a flag as a finite float."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a finite number")
    return number


def within(allowed: Range, text: str) -> int:
    """The value of a flag as an integer in a range."""
    number = whole(text)
    if number not in allowed:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {allowed}")
    return number


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--workers`, a number of processes."""
    parser.add_argument(
        "--workers",
        type=partial(within, WORKERS),
        default=available_cpus(),
        metavar="N",
        help="number of processes (default: all CPUs, %(default)s)",
    )
