"""Index of the classes in the masks of a split, and class weights computed from class frequencies."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from engine import parallel
from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.content import reading

_POSITIONS = 8
"""Number of pixel positions that are kept for each class in each mask."""

ReadMask = Callable[[Path], UInt8Array]
"""Reader of masks: a file -> its (H, W) uint8 train ids."""
Pixel = tuple[int, int]
"""Row and column of a pixel in an image."""


@dataclass(frozen=True)
class ClassIndex:
    """Number of pixels of each class in every sample, and the positions of some of them."""

    pixel_counts: npt.NDArray[np.int64]
    """(N, C) number of pixels of each class in each sample."""
    positions: npt.NDArray[np.uint16]
    """(N, C, 8, 2) rows and columns of pixels of each class; repeated if there are fewer than 8, 0 without any."""

    def draw(self, seed: int) -> tuple[int, Pixel]:
        """Draw a class uniformly from all that occur, then a sample that contains it, then one of its kept pixels.

        This is class-uniform sampling (Zhu et al. 2019, "Improving semantic segmentation via video propagation and
        label relaxation").

        Args:
            seed: 63 random bits; the result is a function of them alone.

        Returns:
            The index of the sample, and the row and column of the pixel.
        """
        seed, choice = divmod(seed, len(self._occurring))
        number = self._occurring[choice]
        seed, choice = divmod(seed, len(self._samples_with[number]))
        sample = int(self._samples_with[number][choice])
        row, column = self.positions[sample, number, seed % _POSITIONS].tolist()
        return sample, (row, column)

    @functools.cached_property
    def _samples_with(self) -> list[npt.NDArray[np.int64]]:
        """Indices of the samples that contain each class."""
        return [np.flatnonzero(column) for column in self.pixel_counts.T]

    @functools.cached_property
    def _occurring(self) -> list[int]:
        return [number for number, samples in enumerate(self._samples_with) if len(samples)]


def build(samples: Sequence[Sample], read_mask: ReadMask, num_classes: int, file: Path, *, workers: int) -> ClassIndex:
    """Read the index of all samples from `file`, or scan the masks and write it if they have changed since.

    Raises:
        InputError: with every mask that cannot be read, or if all pixels of all masks are void.
    """
    key = _key(samples, num_classes)
    index = _load(file, key)
    if index is None:
        index = _scan(samples, read_mask, num_classes, workers)
        with replacing(file) as stream:
            np.savez_compressed(stream, key=key, pixel_counts=index.pixel_counts, positions=index.positions)
    return index


def _scan(samples: Sequence[Sample], read_mask: ReadMask, num_classes: int, workers: int) -> ClassIndex:
    scan = functools.partial(_scan_mask, read_mask, num_classes)
    found = [result for _, result in parallel.parallel_map(scan, samples, workers=workers, title="index the classes")]
    messages = [message for result in found if isinstance(result, InputError) for message in result.messages]
    if messages:
        raise InputError(*messages)
    scanned = [result for result in found if not isinstance(result, InputError)]
    index = ClassIndex(np.stack([counts for counts, _ in scanned]), np.stack([positions for _, positions in scanned]))
    if not index.pixel_counts.any():
        raise InputError(f"{samples[0].mask}: neither this mask nor any other of the split has a pixel of any class")
    return index


def _scan_mask(
    read_mask: ReadMask, num_classes: int, sample: Sample
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Count the pixels of each class, (C,), and pick some, (C, 8, 2), evenly spread in row-major order."""
    if sample.mask is None:
        raise InputError(f"{sample.image}: this split has no masks to find classes in")
    mask = read_mask(sample.mask)
    pixels = np.bincount(mask.ravel(), minlength=256)
    order = np.argsort(mask.ravel(), kind="stable")  # a radix sort: class by class, in row-major order
    ends = pixels.cumsum()
    positions = np.zeros((num_classes, _POSITIONS, 2), np.uint16)
    for number in pixels[:num_classes].nonzero()[0]:
        ranks = (2 * np.arange(_POSITIONS) + 1) * pixels[number] // (2 * _POSITIONS)
        chosen = order[ends[number] - pixels[number] + ranks]
        positions[number] = np.stack(np.divmod(chosen, mask.shape[1]), axis=1)
    return pixels[:num_classes].astype(np.int64), positions


def _key(samples: Sequence[Sample], num_classes: int) -> str:
    """Hash of the number of classes and of the paths, sizes and modification times of the masks."""
    digest = hashlib.sha256(str(num_classes).encode())
    for sample in samples:
        if sample.mask is not None and sample.mask.is_file():
            state = sample.mask.stat()
            digest.update(f"\n{sample.mask.resolve()} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def _load(file: Path, key: str) -> ClassIndex | None:
    try:
        with reading(file) as stream, np.load(stream) as content:
            if str(content["key"]) == key:
                return ClassIndex(content["pixel_counts"], content["positions"])
    except Exception:
        pass  # missing or damaged, and NumPy and zipfile raise many types: scan again
    return None


def inverse_log(pixel_counts: torch.Tensor) -> torch.Tensor:
    """1 / ln(1.02 + share of all pixels): from 1.4 to 50 (Paszke et al. 2016, ENet)."""
    return 1 / torch.log(1.02 + pixel_counts.sum(0) / pixel_counts.sum())


def median_frequency(pixel_counts: torch.Tensor) -> torch.Tensor:
    """Median class frequency / frequency of the class, within images that contain it (Eigen and Fergus 2015).

    The weight of a class that does not occur is 1.
    """
    within = (pixel_counts.sum(1, keepdim=True) * (pixel_counts > 0)).sum(0)
    frequency = pixel_counts.sum(0) / within  # NaN if the class does not occur
    occurs = within > 0
    return torch.where(occurs, frequency[occurs].quantile(0.5) / frequency, torch.ones_like(frequency))


CLASS_WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "inverse_log": inverse_log,
    "median_frequency": median_frequency,
}
"""Class weights by name: (N, C) float64 pixel counts of each class in every sample -> (C,) float64 weights."""
