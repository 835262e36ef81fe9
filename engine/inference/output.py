"""A folder of predictions: which of them a rerun keeps, and what lies beside them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.errors import InputError
from engine.files import png_reader
from engine.files.atomic import write_json
from engine.files.content import read_bytes
from engine.files.documents import read_json
from engine.files.folders import find
from engine.files.images import note_of, write_png

NOTE = "predictions.json"
"""Name of the file beside a folder of predictions that says what they were made from."""
RESULTS = ("predictions", "overlays", "figures")
"""Names of the folders beside it that pictures are in."""
OVERLAY = "_overlay.png"
ORIGIN_KEY = "Prediction"
"""Key of the note in each PNG that says what it was made from and of."""


class Overlays(NamedTuple):
    """Pictures for people: each image with its prediction in colour over it."""

    folder: Path
    colors: UInt8Array
    """(256, 3) RGB of each id."""

    def path(self, sample: Sample) -> Path:
        """Where the picture of a sample goes."""
        return self.folder / f"{sample.name}{OVERLAY}"

    def write(
        self,
        sample: Sample,
        image: UInt8Array,
        prediction: UInt8Array,
        notes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write the picture of a (H, W, 3) image and its (H, W) ids."""
        write_png(self.path(sample), self.blend(image, prediction), notes=notes)

    def blend(self, image: UInt8Array, prediction: UInt8Array) -> UInt8Array:
        """(H, W, 3) RGB: the mean of an image and the colours of its (H, W) ids."""
        return ((image.astype(np.uint16) + self.colors[prediction]) // 2).astype(np.uint8)


class Predictions:
    """A folder of predictions of the same samples by the same weights.

    Args:
        folder: files go to `<folder>/<sample name><suffix>`.
        suffix: of the benchmark's prediction files.
        origin: all that predictions depend on beside their images, as JSON content.
        overlays: also write these.
        derived: files that are made from the predictions, and folders of PNGs; they are removed before any prediction
            changes.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        origin: dict[str, Any],
        overlays: Overlays | None = None,
        derived: Sequence[Path] = (),
    ) -> None:
        self.folder, self.suffix, self.origin, self.overlays = folder, suffix, origin, overlays
        self.kept = 0
        """How many samples were predicted before."""
        self.removed = 0
        """How many predictions were there of other images, weights or settings."""
        self._derived = derived

    def path(self, sample: Sample) -> Path:
        """Where the prediction of a sample goes."""
        return self.folder / f"{sample.name}{self.suffix}"

    def notes(self, sample: Sample) -> dict[str, str]:
        """What the PNGs of a sample say about themselves: the hash of the weights, and that of all settings with it.

        The same for the same weights, settings and name, so that the same predictions are the same bytes.
        """
        told = json.dumps([self.origin, sample.name], sort_keys=True)
        weights = str(self.origin.get("weights_sha256", "unknown"))
        return {"Software": "test_fcn.py", "Weights": weights, ORIGIN_KEY: hashlib.sha256(told.encode()).hexdigest()}

    def clear(self, samples: Sequence[Sample]) -> None:
        """Remove what is no prediction of these samples by these weights, with the pictures of it.

        So go files that are damaged, that say that they were made from something else, and those whose image has
        changed since: images are the same where size and time of change are, which is rsync's rule. Where anything is
        removed or to be predicted, what was derived from the predictions goes first.
        """
        before = _read_note(self.folder)
        known = before["images"] if before and before["origin"] == self.origin else {}
        images = {sample.name: _fingerprint(sample.image) for sample in samples}
        kept = [
            sample
            for sample in samples
            if images[sample.name] is not None
            and known.get(sample.name) == images[sample.name]
            and self._is_ours(sample)
        ]
        stale = _others({self.path(sample) for sample in kept}, self.folder, self.suffix)
        self.removed = sum(path.name.endswith(self.suffix) for path in stale)
        if self.overlays:
            paths = {self.overlays.path(sample): self.notes(sample)[ORIGIN_KEY] for sample in kept}
            shown = {path for path, origin in paths.items() if note_of(path, ORIGIN_KEY) == origin}
            stale += _others(shown, self.overlays.folder, OVERLAY)
        if stale or any(self.is_missing(sample) for sample in samples):
            _remove(self._derived)
        _remove(stale)
        self.kept = sum(not self.is_missing(sample) for sample in kept)
        write_json(self.folder.parent / NOTE, {"origin": self.origin, "images": images})

    def is_missing(self, sample: Sample) -> bool:
        """Whether a sample is still to be predicted."""
        overlay = self.overlays.path(sample) if self.overlays else None
        return not self.path(sample).is_file() or (overlay is not None and not overlay.is_file())

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        """Write the (H, W) prediction of a sample, and its picture."""
        notes = self.notes(sample)
        write_png(self.path(sample), prediction, notes=notes)
        if self.overlays:
            self.overlays.write(sample, image, prediction, notes)

    def _is_ours(self, sample: Sample) -> bool:
        """Whether the prediction of a sample is an undamaged PNG that says that it was made from this origin."""
        try:
            content = read_bytes(self.path(sample))
            png_reader.inspect(content)
        except (InputError, png_reader.DamagedError):
            return False
        return png_reader.note(content[:_START], ORIGIN_KEY.encode()) == self.notes(sample)[ORIGIN_KEY]


_START = 1024
"""Bytes of a prediction in which its notes are."""


def origin_of(folder: Path) -> dict[str, Any]:
    """What the predictions in a folder depend on beside their images, as noted; empty if nothing is."""
    origin: dict[str, Any] = _read_note(folder).get("origin", {})
    return origin


def _read_note(folder: Path) -> dict[str, Any]:
    """The note on a folder of predictions; empty if there is none, or what is there is none of ours.

    Raises:
        InputError: if the disk fails: what the predictions were made with would be forgotten without a word.
    """
    path = folder.parent / NOTE
    if not path.exists():
        return {}
    read_bytes(path)
    try:
        noted = read_json(path)
    except InputError:
        return {}
    ours = isinstance(noted, dict) and all(isinstance(noted.get(key), dict) for key in ("origin", "images"))
    return noted if ours else {}


def _fingerprint(image: Path) -> str | None:
    """What changes with a file; None if it is missing, which is reported later."""
    try:
        about = image.stat()
    except FileNotFoundError:
        return None
    return f"{about.st_size} bytes, changed at {about.st_mtime_ns} ns"


def _others(kept: set[Path], folder: Path, suffix: str) -> list[Path]:
    """The other files with that suffix, and those that a killed process left half-written."""
    return [
        path
        for path in find(folder, "*", hidden=True)
        if (path.name.endswith(suffix) and path not in kept) or (path.name[0] == "." and path.suffix == ".part")
    ]


def _remove(paths: Iterable[Path]) -> None:
    """Remove files, and the PNGs in folders."""
    for path in paths:
        if path.is_dir():
            _remove(find(path, "*.png"))
        else:
            path.unlink(missing_ok=True)
