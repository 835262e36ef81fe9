"""Prediction: image files in, masks of a benchmark's ids out."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from engine.arrays import Size, UInt8Array
from engine.benchmark import Sample
from engine.devices.memory import is_out_of_memory
from engine.devices.process import Place
from engine.errors import InputError
from engine.files.images import image_size, read_image, write_png
from engine.inference.network import Forward
from engine.inference.output import Predictions
from engine.inference.streams import Download, Streams, staged
from engine.inference.test_time_augmentation import Averaged
from engine.inference.tiles import Tiled
from engine.parallel import ahead, required

_MOST_LANES = 8
"""Images that a CPU looks at side by side; each takes memory for what lies between layers."""
_MUCH = 0.2
"""Share of the time from which on a GPU counts as waiting for images."""


class Predictor:
    """The stages of a prediction, one by one.

    Args:
        forward: the network, made ready.
    """

    def __init__(self, forward: Forward | Tiled | Averaged) -> None:
        self.forward = forward
        """(1, 3, H, W) uint8 -> (H, W) ids or confidences, on the device."""
        self.device = forward.device
        self._streams = Streams(self.device) if self.device.type == "cuda" else None

    def decode(self, path: Path) -> UInt8Array:
        """Image file -> (H, W, 3) RGB."""
        return read_image(path)

    def stage(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> a copy from where it can be brought to the device."""
        return torch.tensor(image) if self._streams is None else staged(image)

    def upload(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) as staged -> (1, 3, H, W) uint8 on the device."""
        there = image if self._streams is None else self._streams.upload(image)
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
            InputError: if the network's numbers have left the range of the precision, so that it may be wrong.
        """
        download = self.download(prediction) if isinstance(prediction, torch.Tensor) else prediction
        if self._streams is None or download.arrived is None:
            self.forward.require_range()
        else:
            download.arrived.synchronize()
            with self._streams.aside():
                self.forward.require_range()
        fetched: UInt8Array = download.prediction.numpy()
        return fetched

    def encode(self, prediction: UInt8Array, path: Path) -> None:
        """(H, W) ids -> PNG file."""
        write_png(path, prediction)

    def __call__(self, path: Path) -> UInt8Array:
        """Image file -> its (H, W) ids or confidences."""
        return self.fetch(self.forward(self.transfer(self.decode(path))))

    def idle_share(self) -> float | None:
        """The share of the time in which a GPU had no image to look at; None on a CPU and after a few images."""
        return None if self._streams is None else self._streams.idle_share()


def predict(
    place: Place, predictor: Predictor, samples: Sequence[Sample], predictions: Predictions, *, workers: int
) -> list[str]:
    """Predict this process's share of the samples, those that are not predicted yet.

    Threads read the next images and write the last predictions, while this one keeps a GPU running, and waits for no
    image's result but those of a few images before. On a CPU some threads run the network, each on an image of its own,
    so that none waits for another. How many images are in memory does not depend on the number of samples.

    Returns:
        What is wrong with images that could not be read; all others are predicted.

    Raises:
        InputError: if a prediction cannot be made or written, as on a full disk; those written before stay.
    """
    if place.rank == 0:
        predictions.clear(samples)
    place.barrier()
    mine = [sample for sample in samples[place.rank :: place.world_size] if predictions.lacks(sample)]
    if predictor.forward.watchful:
        for size in _sizes(mine):
            predictor.forward.prepare(size)
    workers = max(1, workers)
    faults: list[str] = []

    def write(done: tuple[_Ready, Download]) -> None:
        image, download = done
        predictions.write(image.sample, image.pixels, predictor.fetch(download))

    with ThreadPoolExecutor(workers) as readers, _lookers() as lookers, ThreadPoolExecutor(workers) as writers:
        brought = ahead(readers, lambda sample: _ready(predictor, sample), mine, depth=2 * workers)
        bar = tqdm(brought, "predict", total=len(mine), disable=None if place.rank == 0 else True, leave=False)
        images = _sound(bar, faults)
        on_gpu = predictor.device.type == "cuda"
        predicted = _in_turn(predictor, images) if on_gpu else _side_by_side(predictor, images, lookers)
        deque(required(ahead(writers, write, predicted, depth=2 * workers)), maxlen=0)
    return faults


def bound(idle_share: float, workers: int, cpus: int) -> str:
    """A line that says whether a GPU or the reading and writing of files bounds a prediction, and what to do."""
    told = f"{100 * idle_share:.0f} % of the time"
    if idle_share < _MUCH:
        return f"the GPU bounds: it waited for images {told}"
    advice = f"raise --workers ({workers}), {cpus} cores are here" if workers < cpus else f"all {cpus} cores are at it"
    return f"reading and writing images bounds: the GPU waited {told}; {advice}"


def _lookers() -> ThreadPoolExecutor:
    """Threads that look at images side by side on a CPU; each has its share of torch's threads."""
    threads, lanes = torch.get_num_threads(), _lanes()
    return ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads // lanes,))


def _lanes() -> int:
    return min(torch.get_num_threads(), _MOST_LANES)


def _in_turn(predictor: Predictor, images: "Iterable[_Ready]") -> "Iterator[tuple[_Ready, Download]]":
    """Give a GPU one image after the other, without waiting for what becomes of it."""
    for image in images:
        try:
            there = predictor.upload(image.staged)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"{image.sample.image}: no memory left on {predictor.device} for the image itself; end other programs "
                "that use it, or give --accelerator cpu"
            ) from error
        yield image, predictor.download(predictor.forward(there))


def _side_by_side(
    predictor: Predictor, images: "Iterable[_Ready]", lookers: Executor
) -> "Iterator[tuple[_Ready, Download]]":
    """Look at several images at a time on a CPU, but alone at those that say so."""
    lanes = _lanes()
    seats = threading.Semaphore(lanes)

    def look(image: _Ready) -> torch.Tensor | None:
        tensor = predictor.upload(image.staged)
        if predictor.forward.alone(tensor):
            return None
        with seats:
            return predictor.forward(tensor)

    for image, seen in required(ahead(lookers, look, images, depth=lanes)):
        if seen is None:
            with _all_of(seats, lanes):
                seen = predictor.forward(predictor.upload(image.staged))
        yield image, predictor.download(seen)


def _sizes(samples: Iterable[Sample]) -> set[Size]:
    """Those of the images, by the headers of the files; what cannot be read is told later."""
    sizes = set()
    for sample in samples:
        with suppress(InputError):
            width, height = image_size(sample.image)
            sizes.add(Size(height, width))
    return sizes


@contextmanager
def _all_of(seats: threading.Semaphore, number: int) -> Iterator[None]:
    """Wait until nobody holds a seat, and hold all of them."""
    for _ in range(number):
        seats.acquire()
    try:
        yield
    finally:
        seats.release(number)


class _Ready(NamedTuple):
    """The image of a sample, ready to be looked at."""

    sample: Sample
    pixels: UInt8Array
    """(H, W, 3), in memory."""
    staged: torch.Tensor
    """The same, from where it can be brought to the device."""


def _ready(predictor: Predictor, sample: Sample) -> _Ready:
    staged = predictor.stage(predictor.decode(sample.image))
    return _Ready(sample, staged.numpy(), staged)


def _sound(brought: Iterable[tuple[Sample, _Ready | InputError]], faults: list[str]) -> Iterator[_Ready]:
    """The images that could be read; what is wrong with the others is added to the faults."""
    for _, image in brought:
        if isinstance(image, InputError):
            faults.extend(image.messages)
        else:
            yield image
