"""Prediction: image files in, masks of a benchmark's ids out."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from engine.arrays import Size, UInt8Array
from engine.benchmark import Sample
from engine.devices.memory import is_out_of_memory
from engine.devices.process import Process
from engine.errors import InputError
from engine.files.images import image_size, read_image, write_png
from engine.inference.output import Predictions
from engine.inference.segmenter import Segmenter
from engine.inference.streams import Download, Streams, pinned_copy
from engine.parallel import prefetch, raise_errors

_MUCH = 0.2
"""Share of the time from which on a GPU counts as waiting for images."""


class Predictor:
    """The stages of a prediction, one by one.

    Args:
        forward: the network, made ready.
    """

    def __init__(self, forward: Segmenter) -> None:
        self.forward = forward
        """(1, 3, H, W) uint8 -> (H, W) ids or confidences, on the device."""
        self.device = forward.device
        self._streams = Streams(self.device) if self.device.type == "cuda" else None

    def decode(self, path: Path) -> UInt8Array:
        """Image file -> (H, W, 3) RGB."""
        return read_image(path)

    def stage(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> a copy from where it can be brought to the device."""
        return torch.tensor(image) if self._streams is None else pinned_copy(image)

    def upload(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) as staged -> (1, 3, H, W) uint8 on the device.

        Raises:
            InputError: if the device has no memory for the image itself.
        """
        try:
            there = image if self._streams is None else self._streams.upload(image)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"no memory left on {self.device} for the image itself, {image.shape[0]} x {image.shape[1]}; "
                "end other programs that use it, or give --accelerator cpu"
            ) from error
        return there.permute(2, 0, 1)[None]

    def transfer(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> (1, 3, H, W) uint8 on the device."""
        return self.upload(self.stage(image))

    def download(self, prediction: torch.Tensor) -> Download:
        """(H, W) on the device -> the same on its way to memory; a GPU is not waited for."""
        return Download(prediction) if self._streams is None else self._streams.download(prediction)

    def fetch(self, prediction: torch.Tensor | Download) -> UInt8Array:
        """(H, W) on the device, or on its way from there -> the same in memory.

        Raises:
            InputError: if a score of this image, or of one before, was NaN or infinite.
        """
        download = self.download(prediction) if isinstance(prediction, torch.Tensor) else prediction
        if self._streams is None or download.arrived is None:
            self.forward.require_finite()
        else:
            download.arrived.synchronize()
            with self._streams.side_stream():
                self.forward.require_finite()
        fetched: UInt8Array = download.prediction.numpy()
        return fetched

    def encode(self, prediction: UInt8Array, path: Path) -> None:
        """(H, W) ids -> PNG file."""
        write_png(path, prediction)

    def __call__(self, path: Path) -> UInt8Array:
        """Image file -> its (H, W) ids or confidences."""
        return self.fetch(self.forward(self.transfer(self.decode(path))))

    def idle_share(self) -> float | None:
        """The share of the time in which a GPU had no image to work on; None on a CPU and after a few images."""
        return None if self._streams is None else self._streams.idle_share()


class _Image(NamedTuple):
    """The image of a sample, ready for the network."""

    sample: Sample
    pixels: UInt8Array
    """(H, W, 3), in memory."""
    staged: torch.Tensor
    """The same, from where it can be brought to the device."""


class _Predicted(NamedTuple):
    """An image with its prediction, which may be on its way from the device."""

    image: _Image
    prediction: Download


def predict(
    process: Process, predictor: Predictor, samples: Sequence[Sample], predictions: Predictions, *, workers: int
) -> list[str]:
    """Predict this process's share of the samples, those that are not predicted yet.

        files -> readers (threads) -> network (this thread) -> writers (threads) -> files

    Each stage takes from the one before, and the last one drives them all. Readers and writers are a few images ahead
    or behind, so how many images are in memory does not depend on the number of samples. A GPU is not waited for.

    Returns:
        What is wrong with images that could not be read; all others are predicted.

    Raises:
        InputError: if a prediction cannot be made or written, as on a full disk; those written before stay.
    """
    if process.rank == 0:
        predictions.clear(samples)
    process.barrier()
    mine = [sample for sample in samples[process.rank :: process.world_size] if predictions.is_missing(sample)]
    if predictor.forward.bounds_memory:
        for size in _sizes(predictor, mine):
            predictor.forward.prepare(size)
    depth = 2 * max(1, workers)
    faults: list[str] = []

    def read(sample: Sample) -> _Image:
        staged = predictor.stage(predictor.decode(sample.image))
        return _Image(sample, staged.numpy(), staged)

    def write(predicted: _Predicted) -> None:
        sample = predicted.image.sample
        with _naming(f"{sample.image}, or an image that was begun with it"):  # on a GPU, which is not waited for
            prediction = predictor.fetch(predicted.prediction)
        predictions.write(sample, predicted.image.pixels, prediction)

    with ThreadPoolExecutor(max(1, workers)) as readers, ThreadPoolExecutor(max(1, workers)) as writers:
        decoded = prefetch(readers, read, mine, depth=depth)
        bar = tqdm(decoded, "predict", total=len(mine), disable=None if process.rank == 0 else True, leave=False)
        predicted = _predicted(predictor, _readable(bar, faults))
        for _ in raise_errors(prefetch(writers, write, predicted, depth=depth)):
            pass
    return faults


def bottleneck(idle_share: float, workers: int, cpus: int) -> str:
    """A line that says whether a GPU or the reading and writing of files bounds a prediction, and what to do."""
    told = f"{100 * idle_share:.0f} % of the time"
    if idle_share < _MUCH:
        return f"the GPU bounds: it waited for images {told}"
    advice = f"raise --workers ({workers}), {cpus} cores are here" if workers < cpus else f"all {cpus} cores are at it"
    return f"reading and writing images bounds: the GPU waited {told}; {advice}"


def _predicted(predictor: Predictor, images: Iterable[_Image]) -> Iterator[_Predicted]:
    """Run the network on one image after the other."""
    for image in images:
        with _naming(image.sample.image):
            prediction = predictor.download(predictor.forward(predictor.upload(image.staged)))
            if predictor.device.type == "cpu":
                predictor.forward.require_finite()
        yield _Predicted(image, prediction)


@contextmanager
def _naming(image: object) -> Iterator[None]:
    """Begin messages about bad input with the name of an image."""
    try:
        yield
    except InputError as error:
        raise InputError(*(f"{image}: {message}" for message in error.messages)) from error


def _readable(decoded: Iterable[tuple[Sample, _Image | InputError]], faults: list[str]) -> Iterator[_Image]:
    """The images that could be read; what is wrong with the others is added to the faults."""
    for _, image in decoded:
        if isinstance(image, InputError):
            faults.extend(image.messages)
        else:
            yield image


def _sizes(predictor: Predictor, samples: Iterable[Sample]) -> set[Size]:
    """Sizes of the images, by the headers of the files; what cannot be read is reported later.

    An image of each size is decoded before, because a damaged file may say any size, and to get ready for a large one
    takes long.
    """
    sizes: set[Size] = set()
    for sample in samples:
        with suppress(InputError):
            width, height = image_size(sample.image)
            if Size(height, width) not in sizes:
                predictor.decode(sample.image)
                sizes.add(Size(height, width))
    return sizes
