"""The folder of predictions: files, the record of their origin, and what a rerun keeps."""

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
from engine.files import png_chunks
from engine.files.atomic import write_json
from engine.files.content import read_bytes
from engine.files.documents import read_json
from engine.files.folders import find
from engine.files.images import note_of, write_png

NOTE = "predictions.json"
"""Name of the JSON record of the predictions' origin, next to their folder."""
RESULTS = ("predictions", "overlays", "figures")
"""Names of the folders of pictures next to that record."""
OVERLAY = "_overlay.png"
ORIGIN_KEY = "Prediction"
"""Key of the PNG note that holds the hash of a prediction's settings and name."""


class Overlays(NamedTuple):
    """Overlays: pictures of each image with its prediction in colour over it."""

    folder: Path
    colors: UInt8Array
    """(256, 3) RGB of each id."""

    def path(self, sample: Sample) -> Path:
        """Path of the overlay of a sample."""
        return self.folder / f"{sample.name}{OVERLAY}"

    def write(
        self,
        sample: Sample,
        image: UInt8Array,
        prediction: UInt8Array,
        notes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write the overlay of a (H, W, 3) image and its (H, W) ids."""
        write_png(self.path(sample), self.blend(image, prediction), notes=notes)

    def blend(self, image: UInt8Array, prediction: UInt8Array) -> UInt8Array:
        """The mean of a (H, W, 3) RGB image and the colours of its (H, W) ids, as (H, W, 3) RGB."""
        return ((image.astype(np.uint16) + self.colors[prediction]) // 2).astype(np.uint8)


class Predictions:
    """A folder of predictions, made by the same weights with the same settings.

    Args:
        folder: the files are `<folder>/<sample name><suffix>`.
        suffix: suffix of the benchmark's prediction files.
        origin: everything that predictions depend on in addition to their images, as JSON content.
        overlays: overlays to write with the predictions; None for none.
        derived: files, and folders of PNGs, that are made from the predictions; they are removed before any prediction
            changes.
        source: where the images are, for programs that show them with the predictions, as JSON content.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        origin: dict[str, Any],
        overlays: Overlays | None = None,
        derived: Sequence[Path] = (),
        source: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder, self.suffix, self.origin, self.overlays = folder, suffix, origin, overlays
        self._source = dict(source)
        self.kept = 0
        """Number of predictions that are kept from an earlier run."""
        self.removed = 0
        """Number of predictions that were removed: damaged, or of other images, weights or settings."""
        self._derived = derived

    def path(self, sample: Sample) -> Path:
        """Path of the prediction of a sample."""
        return self.folder / f"{sample.name}{self.suffix}"

    def notes(self, sample: Sample) -> dict[str, str]:
        """Notes for the PNGs of a sample: the SHA-256 of the weights, and that of all settings and the sample's name.

        They depend on nothing else, so the same weights, settings and images give the same bytes.
        """
        settings = json.dumps([self.origin, sample.name], sort_keys=True)
        weights = str(self.origin.get("weights_sha256", "unknown"))
        return {
            "Software": "test_fcn.py",
            "Weights": weights,
            ORIGIN_KEY: hashlib.sha256(settings.encode()).hexdigest(),
        }

    def clear(self, samples: Sequence[Sample]) -> None:
        """Remove all predictions that cannot be kept for these samples, with their overlays, and write the record.

        A prediction is kept if it is undamaged, its notes are those of this origin, and its image has the same size and
        modification time as recorded (rsync's rule). If any prediction is removed or missing, the derived files are
        removed first.
        """
        before = _read_record(self.folder)
        known = before["images"] if before and before["origin"] == self.origin else {}
        images = {sample.name: _fingerprint(sample.image) for sample in samples}
        kept = [
            sample
            for sample in samples
            if images[sample.name] is not None
            and known.get(sample.name) == images[sample.name]
            and self._is_valid(sample)
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
        write_json(self.folder.parent / NOTE, {"origin": self.origin, "source": self._source, "images": images})

    def is_missing(self, sample: Sample) -> bool:
        """Whether the prediction or the overlay of a sample is missing."""
        overlay = self.overlays.path(sample) if self.overlays else None
        return not self.path(sample).is_file() or (overlay is not None and not overlay.is_file())

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        """Write the (H, W) prediction of a sample, and its overlay."""
        notes = self.notes(sample)
        write_png(self.path(sample), prediction, notes=notes)
        if self.overlays:
            self.overlays.write(sample, image, prediction, notes)

    def _is_valid(self, sample: Sample) -> bool:
        """Whether the prediction of a sample is an undamaged PNG whose notes are those of this origin."""
        try:
            content = read_bytes(self.path(sample))
            png_chunks.inspect(content)
        except (InputError, png_chunks.DamagedError):
            return False
        return png_chunks.note(content[:_START], ORIGIN_KEY.encode()) == self.notes(sample)[ORIGIN_KEY]


_START = 1024
"""Bytes at the start of a prediction file that hold its notes."""


def origin_of(folder: Path) -> dict[str, Any]:
    """The recorded origin of the predictions in a folder, see `Predictions`; empty if there is no record."""
    origin: dict[str, Any] = _read_record(folder).get("origin", {})
    return origin


def _read_record(folder: Path) -> dict[str, Any]:
    """The JSON record of a folder of predictions; empty if it is missing or not valid.

    Raises:
        InputError: if the record cannot be read, because ignoring it would silently lose the predictions' origin.
    """
    path = folder.parent / NOTE
    if not path.exists():
        return {}
    read_bytes(path)
    try:
        record = read_json(path)
    except InputError:
        return {}
    valid = isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("origin", "images"))
    return record if valid else {}


def _fingerprint(image: Path) -> str | None:
    """Size and modification time of an image; None if it is missing, which is reported later."""
    try:
        about = image.stat()
    except FileNotFoundError:
        return None
    return f"{about.st_size} bytes, changed at {about.st_mtime_ns} ns"


def _others(kept: set[Path], folder: Path, suffix: str) -> list[Path]:
    """All other files with that suffix, and the half-written files of killed processes."""
    return [
        path
        for path in find(folder, "*", hidden=True)
        if (path.name.endswith(suffix) and path not in kept) or (path.name[0] == "." and path.suffix == ".part")
    ]


def _remove(paths: Iterable[Path]) -> None:
    """Remove files, and all PNGs in folders."""
    for path in paths:
        if path.is_dir():
            _remove(find(path, "*.png"))
        else:
            path.unlink(missing_ok=True)
