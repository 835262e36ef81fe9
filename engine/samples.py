"""What a split consists of; apart from the data set, so that tools without networks need no torch."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One image of a split, and its mask of train ids where there is one."""

    name: str
    """Path of the prediction without its ending, as `aachen/aachen_000000_000019`."""
    image: Path
    mask: Path | None
