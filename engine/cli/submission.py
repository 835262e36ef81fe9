"""Exit codes and messages of commands that pack a submission whose images are not the official ones."""

import argparse
import sys
from pathlib import Path

from engine.cli.command import report

NOT_OFFICIAL = 1
"""Exit code of `pack` for images that are not the official ones, unless `--subset` accepts them."""


def add_subset(packing: argparse.ArgumentParser) -> None:
    """Add the flag `--subset`, which accepts images that are not the official ones."""
    packing.add_argument(
        "--subset",
        action="store_true",
        help="accept that the images are not the official ones in number or size; otherwise the archive is written and "
        "the exit code is 1",
    )


def next_line(deviation: str, usual: str, official: str) -> str:
    """The line that names the next step: the usual one, unless the images deviate from the official archive."""
    if not deviation:
        return f"next: {usual}"
    return f"next: nothing for a demo or an experiment; for the server predict the {official}, unpacked completely"


def packed(archive: Path, deviation: str, official: str, *, subset: bool) -> int:
    """The exit code of `pack`, with a message on stderr if its images deviate without `--subset`."""
    if not deviation or subset:
        return 0
    sys.stdout.flush()
    report([f"{archive}: not of {official}; --subset accepts that"])
    return NOT_OFFICIAL
