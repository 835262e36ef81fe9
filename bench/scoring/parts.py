"""The parts of the bench: each of them compares our command with an official script on its own files."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from bench import race
from bench.scoring import comparison, instance, panoptic, panoptic_gt, pixel
from bench.scoring.comparison import Comparison
from engine.errors import InputError


class Part(NamedTuple):
    """One part of the bench, with numbers for a machine with two cores."""

    prepare: Callable[[Path, Path, int], Comparison]
    """Function that writes the files of so many images into an empty folder, from the real samples."""
    images: int
    """Number of images."""
    rounds: int
    """Most rounds, after one to warm up."""
    share: float
    """Share of the time that it gets."""


PARTS: Mapping[str, Part] = {
    "pixel": Part(pixel.prepare, 200, 5, 4),
    "instance": Part(instance.prepare, 60, 3, 4),
    "panoptic": Part(panoptic.prepare, 500, 3, 5),
    "panoptic_gt": Part(panoptic_gt.prepare, 60, 3, 3),
}
"""Name -> part, in the order of the measurement."""


def run(
    samples: Path,
    parts: Sequence[str] = tuple(PARTS),
    images: int | None = None,
    rounds: int | None = None,
    minutes: float = 15,
) -> dict[str, Any]:
    """Time all contenders of each part in turn on the same files, and compare their results.

    Args:
        samples: folder of the real data.
        parts: names of the parts.
        images: number of images of each part, instead of its own.
        rounds: most rounds of each part, instead of its own.
        minutes: time limit for everything.

    Raises:
        InputError: if there are no real masks, a contender fails, or a figure of an official script is missing.
    """
    if unknown := sorted(set(parts) - PARTS.keys()):
        raise InputError(f"--parts {' '.join(unknown)}: expected some of {', '.join(PARTS)}")
    chosen = {name: part for name, part in PARTS.items() if name in parts}
    deadline = time.monotonic() + 60 * minutes
    left = sum(part.share for part in chosen.values())
    found: dict[str, Any] = {}
    for name, part in chosen.items():
        end = time.monotonic() + (deadline - time.monotonic()) * part.share / left
        left -= part.share
        number = part.images if images is None else images
        with tempfile.TemporaryDirectory() as folder:
            prepared = part.prepare(Path(folder), samples / "cityscapes", number)
            many = part.rounds if rounds is None else rounds
            found[name] = {"images": number, **comparison.measure(prepared, many, end - time.monotonic())}
    return {
        "what": "our commands and the official scripts; whole processes in turn",
        "versions": {name: metadata.version(name) for name in ("cityscapesscripts", "isal", "kornia-rs")},
        "parts": found,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    return "\n\n".join(_part_table(name, part) for name, part in record["parts"].items())


def _part_table(name: str, part: dict[str, Any]) -> str:
    width = max(map(len, part["median_seconds"]))
    rows = [
        f"  {contender:<{width}} {seconds:7.2f} s  {1e3 * seconds / part['images']:7.1f} ms per image  "
        f"{part['times_as_fast_as_official'][contender]:6.2f} x"
        for contender, seconds in part["median_seconds"].items()
    ]
    heading = f"{name}: {part['what']}; {part['images']} scenes, medians of {part['rounds']} rounds"
    compared = [f"  {key.replace('_', ' ')}: {value}" for key, value in part.items() if key in _COMPARED]
    return "\n".join([heading, *rows, *compared, *race.problem_lines(part)])


_COMPARED = (
    "largest_difference",
    "official_processes",
    "differing_pixels",
    "differing_pngs",
    "differing_json_files",
    "json_files_with_other_bytes",
)
"""Figures of `Comparison.compare` that the table lists."""
