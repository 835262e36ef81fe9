"""Prediction: image files in, masks of a benchmark's ids out."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from engine.averaging import Averaged
from engine.capacity import Size
from engine.faults import InputError
from engine.images import UInt8Array, image_size, read_image, write_png
from engine.inference import Forward
from engine.parallel import ahead, required
from engine.place import Place
from engine.predictions import Predictions
from engine.samples import Sample
from engine.tiles import Tiled

_MOST_LANES = 8
"""Images that a CPU looks at side by side; each takes memory for what lies between layers."""


class Predictor:
    """The stages of a prediction, one by one.

    Args:
        forward: the network, made ready.
    """

    def __init__(self, forward: Forward | Tiled | Averaged) -> None:
        self.forward = forward
        """(1, 3, H, W) uint8 -> (H, W) ids or confidences, on the device."""
        self.device = forward.device
        on_gpu = self.device.type == "cuda"
        self._stream = torch.cuda.Stream(self.device) if on_gpu else None  # type: ignore[no-untyped-call]
        """Images travel on it, so that the network does not wait for them, nor they for it."""

    def decode(self, path: Path) -> UInt8Array:
        """Image file -> (H, W, 3) RGB."""
        return read_image(path)

    def transfer(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> (1, 3, H, W) uint8 on the device."""
        tensor = torch.tensor(image)
        if self._stream is not None:
            pinned, there = tensor.pin_memory(), torch.cuda.current_stream(self.device)
            with torch.cuda.stream(self._stream):
                tensor = pinned.to(self.device, non_blocking=True)
            tensor.record_stream(there)  # that reads it, and may not have done so when it is dropped here
            self._stream.synchronize()
        return tensor.permute(2, 0, 1)[None]

    def fetch(self, prediction: torch.Tensor) -> UInt8Array:
        """(H, W) on the device -> the same in memory."""
        if self._stream is None:
            return _in_memory(prediction)
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            prediction.record_stream(self._stream)
            return _in_memory(prediction)

    def encode(self, prediction: UInt8Array, path: Path) -> None:
        """(H, W) ids -> PNG file."""
        write_png(path, prediction)

    def __call__(self, path: Path) -> UInt8Array:
        """Image file -> its (H, W) ids or confidences."""
        return self.fetch(self.forward(self.transfer(self.decode(path))))


def _in_memory(prediction: torch.Tensor) -> UInt8Array:
    fetched: UInt8Array = prediction.cpu().numpy()
    return fetched


def predict(
    place: Place, predictor: Predictor, samples: Sequence[Sample], predictions: Predictions, *, workers: int
) -> list[str]:
    """Predict this process's share of the samples, those that are not predicted yet.

    Threads bring the next images to the device, and the last predictions from there to files, while this one keeps
    the network running, or on a CPU some threads do so, each with an image of its own, so that none waits for another.
    How many images are in memory does not depend on the number of samples.

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
    threads = torch.get_num_threads()
    lanes = min(threads, _MOST_LANES)
    with (
        ThreadPoolExecutor(workers) as readers,
        ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads // lanes,)) as lookers,
        ThreadPoolExecutor(workers) as writers,
    ):
        brought = ahead(readers, lambda sample: _ready(predictor, sample), mine, depth=2 * workers)
        bar = tqdm(brought, "predict", total=len(mine), disable=None if place.rank == 0 else True, leave=False)

        seats = threading.Semaphore(lanes)

        def look(image: _Ready) -> torch.Tensor | None:
            if predictor.forward.alone(image.tensor):
                return None
            with seats:
                return predictor.forward(image.tensor)

        def predicted() -> Iterator[tuple[_Ready, torch.Tensor]]:
            for image, seen in required(ahead(lookers, look, _sound(bar, faults), depth=lanes)):
                if seen is None:
                    with _all_of(seats, lanes):
                        seen = predictor.forward(image.tensor)
                yield image, seen

        def write(done: tuple[_Ready, torch.Tensor]) -> None:
            image, prediction = done
            predictions.write(image.sample, image.pixels, predictor.fetch(prediction))

        deque(required(ahead(writers, write, predicted(), depth=2 * workers)), maxlen=0)
    return faults


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
    tensor: torch.Tensor
    """(1, 3, H, W), on the device."""


def _ready(predictor: Predictor, sample: Sample) -> _Ready:
    pixels = predictor.decode(sample.image)
    return _Ready(sample, pixels, predictor.transfer(pixels))


def _sound(brought: Iterable[tuple[Sample, _Ready | InputError]], faults: list[str]) -> Iterator[_Ready]:
    """The images that could be read; what is wrong with the others is added to the faults."""
    for _, image in brought:
        if isinstance(image, InputError):
            faults.extend(image.messages)
        else:
            yield image
