"""How commands that pack a submission end where its images are not the official ones."""

import argparse
import sys
from pathlib import Path

from engine.cli.command import report

NOT_OFFICIAL = 1
"""The exit code of a `pack` of other images than the official ones, unless `--subset` accepts them."""


def add_subset(packing: argparse.ArgumentParser) -> None:
    """Add the flag that accepts other images than the official ones."""
    packing.add_argument(
        "--subset",
        action="store_true",
        help="accept that the images are not the official ones in number or size; otherwise the archive is written and "
        "the exit code is 1",
    )


def next_line(deviation: str, usual: str, official: str) -> str:
    """The line that says what to do next: the usual, unless the images deviate from those of an official archive."""
    if not deviation:
        return f"next: {usual}"
    return f"next: for a demo or an experiment this is all; for the server predict the {official}, unpacked whole"


def packed(archive: Path, deviation: str, official: str, *, subset: bool) -> int:
    """The exit code of a `pack`, with a message on stderr where its images deviate and `--subset` was not given."""
    if not deviation or subset:
        return 0
    sys.stdout.flush()
    report([f"{archive}: not of {official}; --subset accepts that"])
    return NOT_OFFICIAL
