"""Measured peaks of a device for the roofline model: matrix products and copies."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from engine.devices.device import DTYPES, synchronise

WARM_UP_SECONDS = 0.3
"""Seconds of work on a GPU before timing, because an idle GPU runs at a low clock."""


class Peaks(NamedTuple):
    """Peak FLOPs and bandwidth, the best of several tries; the clock of a device may change between measurements."""

    flops_per_second: float
    """FLOPs per second of a large square matrix product, two for each multiplication with an addition.

    On a CPU the product is a 1 x 1 convolution by oneDNN, or by the library of torch.mm if that is faster.
    """
    bytes_per_second: float
    """Bytes per second of a large copy, counting reads and writes."""


def measure(device: torch.device, precision: str, tries: int = 5, side: int | None = None) -> Peaks:
    """Measure the peaks of a device.

    Args:
        device: to measure.
        precision: one of `DTYPES`.
        tries: number of tries, of which the best counts.
        side: of the matrices; by default 8192 on a GPU and 2048 on a CPU.
    """
    side = side or (8192 if device.type == "cuda" else 2048)
    matrix = torch.randn(side, side, device=device).to(DTYPES[precision])
    result = torch.empty_like(matrix)
    products: list[Callable[[], object]] = [lambda: torch.mm(matrix, matrix, out=result)]
    if device.type == "cpu":
        image, weight = matrix.view(1, side, 1, side).permute(0, 3, 1, 2), matrix.view(side, side, 1, 1)
        products.append(lambda: functional.conv2d(image, weight))
    product = min(_best(device, tries, product) for product in products)
    # Much larger than any cache, and random, because zeros may be copied faster.
    source = torch.randint(256, (16 * side * side,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = _best(device, tries, lambda: target.copy_(source))
    return Peaks(2 * side**3 / product, 2 * source.numel() / copied)


def _best(device: torch.device, tries: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest try, after warming up."""
    seconds: list[float] = []
    with torch.inference_mode():
        _warm_up(device, work)
        for _ in range(tries):
            synchronise(device)
            began = time.perf_counter()
            work()
            synchronise(device)
            seconds.append(time.perf_counter() - began)
    return min(seconds)


def _warm_up(device: torch.device, work: Callable[[], object]) -> None:
    """Do the work twice, and on a GPU repeat it until its clock has had time to rise."""
    began = time.perf_counter()
    done = 0
    while done < 2 or (device.type == "cuda" and time.perf_counter() - began < WARM_UP_SECONDS):
        work()
        synchronise(device)
        done += 1
