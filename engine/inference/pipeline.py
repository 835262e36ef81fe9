"""The prediction pipeline: image files in, masks of a benchmark's ids out."""

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

_IDLE_SHARE = 0.2
"""Smallest share of the time without an image from which on files, not the GPU, are the bottleneck."""


class Predictor:
    """The stages of a prediction, which can be called one by one.

    Args:
        forward: predicts an image that is on its device.
    """

    def __init__(self, forward: Segmenter) -> None:
        self.forward = forward
        """The segmenter: (1, 3, H, W) uint8 -> (H, W) ids or confidences, on the device."""
        self.device = forward.device
        self._streams = Streams(self.device) if self.device.type == "cuda" else None

    def decode(self, path: Path) -> UInt8Array:
        """Image file -> (H, W, 3) RGB."""
        return read_image(path)

    def stage(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> a copy to upload from, in page-locked memory for a GPU."""
        return torch.tensor(image) if self._streams is None else pinned_copy(image)

    def upload(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) copied by `stage` -> (1, 3, H, W) uint8 on the device.

        Raises:
            InputError: if the device has not enough memory for the image.
        """
        try:
            uploaded = image if self._streams is None else self._streams.upload(image)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"no memory left on {self.device} to hold the image of {image.shape[0]} x {image.shape[1]} pixels; "
                "end other programs that use it, or give --accelerator cpu"
            ) from error
        return uploaded.permute(2, 0, 1)[None]

    def transfer(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> (1, 3, H, W) uint8 on the device."""
        return self.upload(self.stage(image))

    def download(self, prediction: torch.Tensor) -> Download:
        """(H, W) on the device -> its download to memory, which has only been started on a GPU."""
        return Download(prediction) if self._streams is None else self._streams.download(prediction)

    def fetch(self, prediction: torch.Tensor | Download) -> UInt8Array:
        """(H, W) on the device, or its download -> (H, W) in memory.

        Raises:
            InputError: if a score of this image, or of an earlier one, was NaN or infinite.
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
        """Share of the time in which a GPU had no image to work on; None on a CPU and after fewer than 10 images."""
        return None if self._streams is None else self._streams.idle_share()


class _Image(NamedTuple):
    """A decoded image, ready for upload."""

    sample: Sample
    pixels: UInt8Array
    """Pixels as (H, W, 3) RGB in memory."""
    staged: torch.Tensor
    """The same pixels as a tensor to upload from, see `Predictor.stage`."""


class _Predicted(NamedTuple):
    """An image with the download of its prediction."""

    image: _Image
    prediction: Download


def predict(
    process: Process, predictor: Predictor, samples: Sequence[Sample], predictions: Predictions, *, workers: int
) -> list[str]:
    """Predict this process's share of the samples, except those that are predicted already.

        files -> readers (threads) -> network (this thread) -> writers (threads) -> files

    Each stage pulls from the one before it. Readers run a few images ahead and writers a few behind, so the number of
    images in memory does not depend on the number of samples. This thread never waits for a GPU.

    Returns:
        Messages about images that could not be read; all others are predicted.

    Raises:
        InputError: if a prediction cannot be made or written, for example on a full disk; earlier ones are kept.
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
        with _naming(f"{sample.image}, or one of the next few images"):  # a GPU runs ahead of this check
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
    """A line that names the bottleneck, a GPU or reading and writing files, with advice.

    Args:
        idle_share: share of the time in which the GPU had no image, 0 to 1.
        workers: threads that read, and as many that write.
        cpus: cores of this machine.
    """
    share = f"{100 * idle_share:.0f} % of the time"
    if idle_share < _IDLE_SHARE:
        return f"bottleneck: the GPU; it waited for images {share}"
    enough = f"raise --workers ({workers}), this machine has {cpus} cores"
    advice = enough if workers < cpus else f"all {cpus} cores are busy with it"
    return f"bottleneck: reading and writing images; the GPU waited for them {share}; {advice}"


def _predicted(predictor: Predictor, images: Iterable[_Image]) -> Iterator[_Predicted]:
    """Run the network on one image after another, and start the downloads."""
    for image in images:
        with _naming(image.sample.image):
            prediction = predictor.download(predictor.forward(predictor.upload(image.staged)))
            if predictor.device.type == "cpu":
                predictor.forward.require_finite()
        yield _Predicted(image, prediction)


@contextmanager
def _naming(image: object) -> Iterator[None]:
    """Put the name of an image before messages about bad input."""
    try:
        yield
    except InputError as error:
        raise InputError(*(f"{image}: {message}" for message in error.messages)) from error


def _readable(decoded: Iterable[tuple[Sample, _Image | InputError]], faults: list[str]) -> Iterator[_Image]:
    """The images that could be read; messages about the others are added to `faults`."""
    for _, image in decoded:
        if isinstance(image, InputError):
            faults.extend(image.messages)
        else:
            yield image


def _sizes(predictor: Predictor, samples: Iterable[Sample]) -> set[Size]:
    """Sizes of the images according to the headers of their files; unreadable files are reported later.

    One image of each size is decoded, because a damaged header may hold any size, and preparing for a large one takes
    long.
    """
    sizes: set[Size] = set()
    for sample in samples:
        with suppress(InputError):
            width, height = image_size(sample.image)
            if Size(height, width) not in sizes:
                predictor.decode(sample.image)
                sizes.add(Size(height, width))
    return sizes
