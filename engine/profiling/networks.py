"""A network measured without data: its costs, and what a machine makes of them."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch import nn

from engine import environment
from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.devices import memory, nvml
from engine.devices.device import DTYPES, synchronise
from engine.devices.process import find_place
from engine.files.images import synthetic_image, write_png
from engine.inference.network import Forward
from engine.inference.pipeline import Predictor
from engine.profiling import flops, roofline, stages

PROTOCOL = (
    "forward: (1, 3, H, W) uint8 on the device -> (H, W) ids on the device, normalisation and argmax included, file "
    "and transfer not; a process of its own for each network and precision; after warm-up; device synchronised before "
    "each clock reading; random weights; images made up; see docs/profiling.md"
)


class Protocol(NamedTuple):
    """How to measure."""

    size: tuple[int, int]
    """Height and width of images."""
    accelerator: str
    precision: str
    """That of a `Place`, or auto; with 32-true the network computes exactly as it is written."""
    compiled: bool
    """By torch.compile."""
    repeats: int
    """Timed predictions, after a third as many and at least two that are not."""
    largest_batch: int
    """Throughput is measured with 1, 2, 4 ... up to so many images at a time."""
    seconds: float = 3.0
    """Least duration of each measurement of throughput and energy on a GPU; on a CPU `repeats` says it alone."""

    @property
    def warm_up(self) -> int:
        """Untimed predictions."""
        return max(2, self.repeats // 3)


def measure(network: nn.Module, about: About, benchmark: Benchmark, protocol: Protocol) -> dict[str, Any]:
    """Measure in this process, which should be a fresh one, or its peak memory is that of what ran before.

    Returns:
        JSON content.
    """
    cost = flops.count(network, protocol.size)
    place = find_place(protocol.accelerator, protocol.precision)
    exact = protocol.precision == "32-true"
    forward = Forward(place, network, about, benchmark, exact=exact, compiled=protocol.compiled)
    device = forward.device
    pixels = synthetic_image(protocol.size)
    image = Predictor(forward).transfer(pixels)
    first = memory.first_allocated(device, lambda: forward(image))
    for _ in range(protocol.warm_up):
        forward(image)
    latency = _seconds(device, lambda: forward(image), protocol.repeats)
    peaks = memory.peak_of(device, lambda: forward(image), forward.release, first)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        write_png(path, pixels)
        by_stage = stages.profile(
            Predictor(forward),
            [path] * protocol.repeats,
            Path(folder) / "ids.png",
            precision=forward.precision,
            warm_up=1,
        )["milliseconds"]
    tried = _throughput(forward, image, protocol, peaks["reserved"])
    ceiling = roofline.measure(device, forward.precision)
    itemsize = DTYPES[forward.precision].itemsize
    floor = cost.floor_seconds(*ceiling, itemsize)
    median = statistics.median(latency)
    return {
        "network": about.network,
        "classes": about.num_classes,
        "size": list(protocol.size),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else environment.cpu_name(),
        "precision": forward.precision,
        "asked_precision": protocol.precision,
        "compiled": protocol.compiled,
        "protocol": PROTOCOL,
        "repeats": protocol.repeats,
        "warm_up": protocol.warm_up,
        "parameters": cost.parameters,
        "macs": cost.flops // 2,
        "latency_ms": _spread(latency),
        "throughput": {"tried": tried, "best": max(tried, key=lambda batch: float(batch["images_per_second"]))},
        "stages_ms": by_stage,
        "memory_mib": peaks,
        "not_measured": _missing(device),
        "roofline": {
            "matrix_flops_per_second": ceiling.flops_per_second,
            "copy_bytes_per_second": ceiling.bytes_per_second,
            "least_bytes": itemsize * sum(layer.elements for layer in cost.layers),
            "achieved_flops_per_second": cost.flops / median,
            "share_of_matrix_ceiling": cost.flops / median / ceiling.flops_per_second,
            "share_of_copy_ceiling": itemsize
            * sum(layer.elements for layer in cost.layers)
            / median
            / ceiling.bytes_per_second,
            "floor_ms": 1000 * floor,
            "times_the_floor": median / floor,
        },
        "environment": environment.describe(),
    }


def _seconds(device: torch.device, work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of several runs."""
    seconds = []
    for _ in range(repeats):
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return seconds


def _spread(seconds: list[float]) -> dict[str, float]:
    """Median, least, most, and the quartiles between which half of the runs lie, in milliseconds."""
    ordered = sorted(1000 * value for value in seconds)
    low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return {"median": median, "least": ordered[0], "quartile_1": low, "quartile_3": high, "most": ordered[-1]}


def _throughput(
    forward: Forward, image: torch.Tensor, protocol: Protocol, per_image: float | None
) -> list[dict[str, Any]]:
    """Images per second and joules per image by batch size, until memory is short or more brings nothing."""
    tried: list[dict[str, Any]] = []
    size = 1
    while size <= protocol.largest_batch:
        if _too_large(image.device, size * (per_image or 0)):
            tried.append({"batch_size": size, "images_per_second": 0.0, "joules_per_image": None, "stopped": "memory"})
            break
        try:
            batch = _batch(image, size)
            seconds = protocol.seconds if image.device.type == "cuda" else 0.0
            tried.append(_rate(forward, batch, max(2, protocol.repeats // size), seconds))
        except RuntimeError as error:
            if not memory.is_out_of_memory(error):
                raise
            tried.append({"batch_size": size, "images_per_second": 0.0, "joules_per_image": None, "stopped": "memory"})
            break
        rates = [float(entry["images_per_second"]) for entry in tried]
        if len(rates) > 2 and max(rates[-2:]) < 1.02 * max(rates[:-2]):
            break
        size *= 2
    return tried


def _batch(image: torch.Tensor, size: int) -> torch.Tensor:
    """The same image several times, with its channels together in memory as a decoded image has them."""
    return image.permute(0, 2, 3, 1).repeat(size, 1, 1, 1).permute(0, 3, 1, 2)


def _rate(forward: Forward, batch: torch.Tensor, repeats: int, least_seconds: float) -> dict[str, Any]:
    """Predict one batch over and over, without waiting for the device in between.

    Args:
        forward: predicts.
        batch: (N, 3, H, W) on the device.
        repeats: at least so many times.
        least_seconds: and for about so long, because the driver's counter of energy moves by steps.
    """

    @torch.inference_mode()
    def predict() -> None:
        if len(batch) == 1:
            forward(batch)
            return
        for logits in forward.logits(batch):
            forward.classify(logits)

    def run(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            predict()
        synchronise(batch.device)
        return time.perf_counter() - began

    predict()
    synchronise(batch.device)
    if least_seconds:
        repeats = max(repeats, math.ceil(repeats * least_seconds / run(repeats)))
    before = nvml.joules_at_step(batch.device)
    seconds = run(repeats)
    after = nvml.joules_at_step(batch.device)
    images = repeats * len(batch)
    used = None if before.value is None or after.value is None else after.value - before.value
    return {
        "batch_size": len(batch),
        "images_per_second": images / seconds,
        "joules_per_image": None if used is None else used / images,
    }


def _missing(device: torch.device) -> dict[str, str]:
    """Figure -> why the driver does not tell it on this GPU."""
    readings = {"process": nvml.process_memory(device), "J/image": nvml.joules(device)}
    return {name: reading.missing for name, reading in readings.items() if reading.missing is not None}


def _too_large(device: torch.device, mib: float) -> bool:
    """Whether a CPU lacks the memory: there nobody is told, but the system kills a process that takes too much."""
    return device.type == "cpu" and mib * (1 << 20) > 0.7 * psutil.virtual_memory().available


COLUMNS = {
    "network": 22,
    "precision": 12,
    "Mparam": 8,
    "GMAC": 9,
    "ms": 10,
    "images/s": 10,
    "batch": 6,
    "allocated": 10,
    "reserved": 10,
    "process": 9,
    "J/image": 9,
    "of peak": 8,
    "x floor": 8,
}
"""Heading -> width."""


def table(profiles: Sequence[dict[str, Any]]) -> str:
    """One line a profile; memory in MiB, a dash for what cannot be measured there, and below why it cannot."""
    first = profiles[0]
    height, width = first["size"]
    heading = f"{first['device']}, images of {height}x{width}, median of {first['repeats']}, random weights"
    heading += ", compiled" if first["compiled"] else ""
    names = "".join(f"{name:<{room}}" if room > 10 else f"{name:>{room}}" for name, room in COLUMNS.items())
    reasons = {f"{name}: {why}": None for profile in profiles for name, why in profile["not_measured"].items()}
    return "\n".join([heading, names.rstrip(), *(_line(profile) for profile in profiles), *reasons])


def _line(profile: dict[str, Any]) -> str:
    best, memory = profile["throughput"]["best"], profile["memory_mib"]
    cells = {
        "network": profile["network"],
        "precision": profile["precision"],
        "Mparam": f"{profile['parameters'] / 1e6:.1f}",
        "GMAC": f"{profile['macs'] / 1e9:.1f}",
        "ms": f"{profile['latency_ms']['median']:.1f}",
        "images/s": f"{best['images_per_second']:.2f}",
        "batch": str(best["batch_size"]),
        **{name: _number(memory[name], ".0f") for name in ("allocated", "reserved", "process")},
        "J/image": _number(best["joules_per_image"], ".2f"),
        "of peak": f"{profile['roofline']['share_of_matrix_ceiling']:.0%}",
        "x floor": f"{profile['roofline']['times_the_floor']:.2f}",
    }
    return "".join(
        f"{cells[name]:<{room}}" if room > 10 else f"{cells[name]:>{room}}" for name, room in COLUMNS.items()
    ).rstrip()


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
