"""What a device can do at most, as measured: matrix products and copies."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from engine.devices.device import DTYPES, synchronise

WARM_UP_SECONDS = 0.3
"""Of work on a GPU before anything is timed, because an idle one runs at a low clock."""


class Peaks(NamedTuple):
    """Best of several tries; the clock of a device may change between them and the work they are compared with."""

    flops_per_second: float
    """Of a large square matrix product in the precision, two operations for each multiplication and addition.

    On a CPU by oneDNN, as a convolution of 1 x 1; in float32 also by the library that torch multiplies with, which is
    the faster one on some processors.
    """
    bytes_per_second: float
    """Of a large copy, what is read and what is written counted."""


def measure(device: torch.device, precision: str, tries: int = 5, side: int | None = None) -> Peaks:
    """Measure both.

    Args:
        device: to measure.
        precision: one of `DTYPES`.
        tries: of which the best counts.
        side: of the matrices; 8192 on a GPU and 2048 on a CPU where None.
    """
    side = side or (8192 if device.type == "cuda" else 2048)
    matrix = torch.randn(side, side, device=device).to(DTYPES[precision])
    result = torch.empty_like(matrix)
    products: list[Callable[[], object]] = [lambda: torch.mm(matrix, matrix, out=result)]
    if device.type == "cpu":
        image, weight = matrix.view(1, side, 1, side).permute(0, 3, 1, 2), matrix.view(side, side, 1, 1)
        products.append(lambda: functional.conv2d(image, weight))
    product = min(_best(device, tries, product) for product in products)
    # Far more than any cache holds, and random, because zeros may be moved faster than data.
    source = torch.randint(256, (16 * side * side,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = _best(device, tries, lambda: target.copy_(source))
    return Peaks(2 * side**3 / product, 2 * source.numel() / copied)


def _best(device: torch.device, tries: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest try, after two or more that do not count."""
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
    """Do the work twice, and on a GPU until its clock has had time to rise."""
    began = time.perf_counter()
    done = 0
    while done < 2 or (device.type == "cuda" and time.perf_counter() - began < WARM_UP_SECONDS):
        work()
        synchronise(device)
        done += 1
