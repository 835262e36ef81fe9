"""Encoder of scenes: image, ground truth and predictions are reduced to one size and encoded for the page.

Class ids become lossless WebP, which on masks of Cityscapes has 60 % of the bytes of PNG in a third of the time.
"""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from catalogue import benchmark as benchmark_of
from engine.arrays import Size, UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError
from engine.files.images import read_ids, read_image
from engine.image_counts import ImageCounts
from engine.inference.figures import train_ids
from report.pictures.samples import read_truth

CONFIDENCE_BITS = 5
"""Bits of a confidence that are kept; the bound between the classes, 128 of 256, stays exact."""
_QUALITY, _METHOD = 60, 2
"""Quality and effort of WebP. More effort saves 6 % of the bytes of an image for twice the time."""

_benchmark = cache(benchmark_of)


class Scene(NamedTuple):
    """A sample with the prediction file of each result."""

    benchmark: str
    """Name in the catalogue, or import path."""
    sample: Sample
    predictions: tuple[Path | None, ...]
    """Prediction file of each result; None for a result without a prediction of this sample."""


class Layers(NamedTuple):
    """Layers of a scene at full resolution; whatever cannot be read is None."""

    image: UInt8Array
    """(H, W, 3) RGB."""
    truth: UInt8Array | None
    """(H, W) train ids."""
    predictions: tuple[UInt8Array | None, ...]
    """(H, W) train ids, or confidences from 0 to 255."""
    faults: tuple[str, ...]


class Encoded(NamedTuple):
    """Encoded layers of a scene."""

    full: Size
    """Size of the image file."""
    size: Size
    """Size of all layers."""
    image: bytes
    truth: bytes | None
    predictions: tuple[bytes | None, ...]
    counts: tuple[ImageCounts | None, ...]
    """Counts of the reduced pixels for each prediction; None without ground truth."""
    faults: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Size of all layers as base64."""
        layers = (self.image, self.truth, *self.predictions)
        return sum(-(-len(layer) // 3) * 4 for layer in layers if layer is not None)


def encode(scene: Scene, side: int) -> Encoded:
    """Read, reduce and encode a scene.

    Args:
        scene: to read.
        side: longest side of the layers in pixels; smaller images keep their size.

    Raises:
        InputError: if the image cannot be read.
    """
    return _encoded(scene, read(scene), side)


def trial(scene: Scene, sides: Sequence[int]) -> list[int]:
    """Bytes of a scene as base64 for each longest side.

    Raises:
        InputError: if the image cannot be read.
    """
    layers = read(scene)
    full = Size(*layers.image.shape[:2])
    sizes = {side: _reduced(full, side) for side in sides}
    bytes_of = {size: _encoded(scene, layers, max(size)).bytes for size in {*sizes.values()}}
    return [bytes_of[sizes[side]] for side in sides]


def rate(scene: Scene, side: int = 512) -> tuple[ImageCounts | None, ...]:
    """Counts of the reduced pixels of each prediction, without reading the image; None where a file is missing."""
    benchmark = _benchmark(scene.benchmark)
    truth, predictions, _ = _masks(benchmark, scene, None)
    if truth is None:
        return (None,) * len(predictions)
    size = _reduced(Size(*truth.shape), side)
    return tuple(_counts(benchmark, scene.sample.name, truth, one, size) for one in predictions)


def read(scene: Scene) -> Layers:
    """Read the layers of a scene at full resolution.

    Raises:
        InputError: if the image cannot be read.
    """
    image = read_image(scene.sample.image)
    truth, predictions, faults = _masks(_benchmark(scene.benchmark), scene, Size(*image.shape[:2]))
    return Layers(image, truth, predictions, faults)


def _masks(
    benchmark: Benchmark, scene: Scene, size: Size | None
) -> tuple[UInt8Array | None, tuple[UInt8Array | None, ...], tuple[str, ...]]:
    """Ground truth and predictions that can be read and have the right size, and what is wrong with the others."""
    faults: list[str] = []
    truth = None
    if scene.sample.mask is not None:
        try:
            truth = _of_size(scene.sample.mask, read_truth(benchmark, scene.sample.mask), size)
        except InputError as error:
            faults += error.messages
    if size is None and truth is not None:
        size = Size(*truth.shape)
    predictions: list[UInt8Array | None] = []
    for path in scene.predictions:
        try:
            predictions.append(None if path is None else _of_size(path, _prediction(benchmark, path), size))
        except InputError as error:
            predictions.append(None)
            faults += error.messages
    return truth, tuple(predictions), tuple(faults)


def _of_size(path: Path, mask: UInt8Array, size: Size | None) -> UInt8Array:
    if size is not None and mask.shape != size:
        height, width = mask.shape
        raise InputError(
            f"{path}: {width} x {height} pixels, expected {size.width} x {size.height} like the image; predict or draw "
            "it again"
        )
    return mask


def _prediction(benchmark: Benchmark, path: Path) -> UInt8Array:
    """The (H, W) train ids, or confidences, of a prediction file."""
    values = read_ids(path)
    if values.dtype != np.uint8 and values.max(initial=0) > 255:
        raise InputError(f"{path}: ids up to {values.max()}, expected 8 bits a pixel; predict it again")
    pixels = values.astype(np.uint8, copy=False)
    return pixels if benchmark.confidence_class is not None else train_ids(benchmark, pixels)


def _encoded(scene: Scene, layers: Layers, side: int) -> Encoded:
    benchmark = _benchmark(scene.benchmark)
    full = Size(*layers.image.shape[:2])
    size = _reduced(full, side)
    step = np.uint8(1 if benchmark.confidence_class is None else 256 >> CONFIDENCE_BITS)
    return Encoded(
        full,
        size,
        _picture(layers.image, size),
        None if layers.truth is None else _ids(layers.truth, size),
        tuple(None if one is None else _ids(one // step, size) for one in layers.predictions),
        tuple(
            None if layers.truth is None else _counts(benchmark, scene.sample.name, layers.truth, one, size)
            for one in layers.predictions
        ),
        layers.faults,
    )


def _reduced(full: Size, side: int) -> Size:
    """The size of an image whose longest side is reduced, if it is longer."""
    factor = min(1.0, side / max(full))
    return Size(max(1, round(full.height * factor)), max(1, round(full.width * factor)))


def _picture(image: UInt8Array, size: Size) -> bytes:
    """An image, averaged to a size, as WebP."""
    picture = Image.fromarray(image)
    if picture.size != (size.width, size.height):
        picture = picture.resize((size.width, size.height), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    return file.getvalue()


def _ids(mask: UInt8Array, size: Size) -> bytes:
    """A mask, reduced to a size, as lossless WebP whose channels all hold the ids."""
    file = io.BytesIO()
    grey = Image.fromarray(_sampled(mask, size))
    grey.convert("RGB").save(file, "WEBP", lossless=True, exact=True, quality=50, method=2)
    return file.getvalue()


def _sampled(mask: UInt8Array, size: Size) -> UInt8Array:
    """Every n-th pixel of a mask: the positions depend on the sizes alone, so that masks stay comparable."""
    rows, columns = (
        ((np.arange(reduced) + 0.5) * full / reduced).astype(np.intp)
        for full, reduced in zip(mask.shape, size, strict=True)
    )
    sampled: UInt8Array = mask[rows[:, None], columns]
    return sampled


def _counts(
    benchmark: Benchmark, name: str, truth: UInt8Array, prediction: UInt8Array | None, size: Size
) -> ImageCounts | None:
    """Counts of the labelled pixels of two masks, reduced to a size."""
    if prediction is None:
        return None
    classes = len(benchmark.classes)
    sampled = _sampled(prediction, size)
    if benchmark.confidence_class is not None:
        sampled = train_ids(benchmark, sampled)
    true = _sampled(truth, size)
    labelled = true < classes
    cells = true[labelled].astype(np.int64) * (classes + 1) + np.minimum(sampled[labelled], classes)
    confusion = np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)
    hits = confusion.diagonal()
    return ImageCounts(name, hits, confusion.sum(1) + confusion[:, :-1].sum(0) - hits)
