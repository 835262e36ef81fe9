"""A folder of predictions: which of them a rerun keeps, and what lies beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.files import png_reader
from engine.files.atomic import write_json
from engine.files.images import write_png

NOTE = "predictions.json"
"""Name of the file beside a folder of predictions that says what they were made from."""
OVERLAY = "_overlay.png"


class Overlays(NamedTuple):
    """Pictures for people: each image with its prediction in colour over it."""

    folder: Path
    colors: UInt8Array
    """(256, 3) RGB of each id."""

    def path(self, sample: Sample) -> Path:
        """Where the picture of a sample goes."""
        return self.folder / f"{sample.name}{OVERLAY}"

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        """Write the picture of a (H, W, 3) image and its (H, W) ids."""
        mixed = (image.astype(np.uint16) + self.colors[prediction]) // 2
        write_png(self.path(sample), mixed.astype(np.uint8))


class Predictions:
    """A folder of predictions of the same samples by the same weights.

    Args:
        folder: files go to `<folder>/<sample name><suffix>`.
        suffix: of the benchmark's prediction files.
        origin: all that predictions depend on beside their images, as JSON content.
        overlays: also write these.
    """

    def __init__(self, folder: Path, suffix: str, origin: dict[str, Any], overlays: Overlays | None = None) -> None:
        self.folder, self.suffix, self.origin, self.overlays = folder, suffix, origin, overlays
        self.kept = 0
        """How many samples were predicted before."""

    def path(self, sample: Sample) -> Path:
        """Where the prediction of a sample goes."""
        return self.folder / f"{sample.name}{self.suffix}"

    def clear(self, samples: Sequence[Sample]) -> None:
        """Remove damaged predictions, and those of other origin, samples or images, with the pictures of them.

        Images are the same where size and time of change are, which is rsync's rule.
        """
        before = _noted(self.folder)
        known = before["images"] if before and before["origin"] == self.origin else {}
        images = {sample.name: _fingerprint(sample.image) for sample in samples}
        kept = [
            sample
            for sample in samples
            if sample.name in known and known[sample.name] == images[sample.name] and _is_whole(self.path(sample))
        ]
        _remove_all_but({self.path(sample) for sample in kept}, self.folder, self.suffix)
        if self.overlays:
            _remove_all_but({self.overlays.path(sample) for sample in kept}, self.overlays.folder, OVERLAY)
        write_json(self.folder.parent / NOTE, {"origin": self.origin, "images": images})
        self.kept = sum(not self.lacks(sample) for sample in kept)

    def lacks(self, sample: Sample) -> bool:
        """Whether a sample is still to be predicted."""
        overlay = self.overlays.path(sample) if self.overlays else None
        return not self.path(sample).is_file() or (overlay is not None and not overlay.is_file())

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        """Write the (H, W) prediction of a sample, and its picture."""
        write_png(self.path(sample), prediction)
        if self.overlays:
            self.overlays.write(sample, image, prediction)


def origin_of(folder: Path) -> dict[str, Any]:
    """What the predictions in a folder depend on beside their images, as noted; empty if nothing is."""
    origin: dict[str, Any] = _noted(folder).get("origin", {})
    return origin


def _noted(folder: Path) -> dict[str, Any]:
    """The note on a folder of predictions; empty if there is none, or what is there is none of ours."""
    try:
        noted = json.loads((folder.parent / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    ours = isinstance(noted, dict) and all(isinstance(noted.get(key), dict) for key in ("origin", "images"))
    return noted if ours else {}


def _fingerprint(image: Path) -> str | None:
    """What changes with a file; None if it cannot be read, which is told later."""
    try:
        about = image.stat()
    except OSError:
        return None
    return f"{about.st_size} bytes, changed at {about.st_mtime_ns} ns"


def _is_whole(path: Path) -> bool:
    """Whether a file is an undamaged PNG."""
    try:
        png_reader.inspect(path.read_bytes())
    except (OSError, png_reader.DamagedError):
        return False
    return True


def _remove_all_but(kept: set[Path], folder: Path, suffix: str) -> None:
    """Remove the other files with that suffix, and those that a killed process left half-written."""
    for path in folder.rglob("*"):
        foreign = path.name.endswith(suffix) and path not in kept
        if foreign or (path.name[0] == "." and path.suffix == ".part"):
            path.unlink()
