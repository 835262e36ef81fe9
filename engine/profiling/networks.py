"""Profile of a network without data: FLOPs, latency, throughput, memory, energy and roofline."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import torch
from torch import nn

from engine import environment
from engine.arrays import UInt8Array
from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.devices import memory, nvml
from engine.devices.device import DTYPES, synchronise
from engine.devices.process import find_process
from engine.files.images import synthetic_image, write_png
from engine.inference.network import Engine, NetworkSegmenter
from engine.inference.pipeline import Predictor
from engine.profiling import flops, roofline, stages
from engine.profiling.record import NetworkProfile, Roofline, Spread, Throughput

PROTOCOL = (
    "forward: (1, 3, H, W) uint8 on the device -> (H, W) ids on the device, normalisation and argmax included, file "
    "and transfer not; a process of its own for each network and precision; after warm-up; device synchronised before "
    "each clock reading; random weights; synthetic images; see docs/profiling.md"
)


class ProfileSettings(NamedTuple):
    """Settings of a measurement."""

    size: tuple[int, int]
    """Height and width of images."""
    accelerator: str
    """Device to measure: auto, cpu or gpu."""
    precision: str
    """Precision of a `Process`, or auto; with 32-true the network computes exactly as it is written."""
    compiled: bool
    """Whether torch.compile compiles the network."""
    repeats: int
    """Number of timed predictions, after `warm_up` untimed ones."""
    largest_batch: int
    """Largest batch of the throughput measurement, which tries 1, 2, 4 ... images."""
    engine: Engine = "auto"
    """Engine that runs the network; torch if precision is 32-true."""
    seconds: float = 3.0
    """Least duration in seconds of a measurement of throughput and energy on a GPU; a CPU uses `repeats` alone."""

    @property
    def warm_up(self) -> int:
        """Number of untimed predictions: a third of `repeats`, at least two."""
        return max(2, self.repeats // 3)


def measure(network: nn.Module, about: About, benchmark: Benchmark, settings: ProfileSettings) -> NetworkProfile:
    """Measure in this process, which should be new, because its peak memory includes everything that ran before."""
    flop_count = flops.count(network, settings.size)
    process = find_process(settings.accelerator, settings.precision)
    exact = settings.precision == "32-true"
    engine = settings.engine
    forward = NetworkSegmenter(
        process, network, about, benchmark, exact=exact, compiled=settings.compiled, engine=engine
    )
    device = forward.device
    pixels = synthetic_image(settings.size)
    image = Predictor(forward).transfer(pixels)
    first = memory.first_allocated(device, lambda: forward(image))
    for _ in range(settings.warm_up):
        forward(image)
    latency = _seconds(device, lambda: forward(image), settings.repeats)
    memory_peaks = memory.peak_of(device, lambda: forward(image), forward.release, first)
    if forward.engine == "openvino":
        memory_peaks["allocated"] = None
    by_stage = _stages(forward, pixels, settings.repeats)
    throughput = _throughput(forward, image, settings, memory_peaks["reserved"])
    peaks = roofline.measure(device, forward.precision)
    itemsize = DTYPES[forward.precision].itemsize
    return NetworkProfile(
        network=about.network,
        classes=about.num_classes,
        size=settings.size,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else environment.cpu_name(),
        engine=forward.engine,
        precision=forward.precision,
        asked_precision=settings.precision,
        compiled=settings.compiled,
        protocol=PROTOCOL,
        repeats=settings.repeats,
        warm_up=settings.warm_up,
        parameters=flop_count.parameters,
        macs=flop_count.flops // 2,
        latency=_spread(latency),
        throughput=tuple(throughput),
        stages=by_stage,
        memory=memory_peaks,
        not_measured=_missing(device, forward.engine),
        roofline=Roofline.of(flop_count, peaks, itemsize, statistics.median(latency)),
        environment=environment.describe(),
    )


def _stages(forward: NetworkSegmenter, pixels: UInt8Array, repeats: int) -> dict[str, dict[str, float]]:
    """Stage -> milliseconds of predictions from a file to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path, scratch = Path(folder) / "image.png", Path(folder) / "ids.png"
        write_png(path, pixels)
        images = [path] * repeats
        found = stages.profile(Predictor(forward), images, scratch, precision=forward.precision, warm_up=1)
    milliseconds: dict[str, dict[str, float]] = found["milliseconds"]
    return milliseconds


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


def _spread(seconds: list[float]) -> Spread:
    """Median, extremes and quartiles in milliseconds."""
    ordered = sorted(1000 * value for value in seconds)
    low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, ordered[0], low, high, ordered[-1])


def _throughput(
    forward: NetworkSegmenter, image: torch.Tensor, settings: ProfileSettings, per_image: float | None
) -> list[Throughput]:
    """Throughput by batch size, until memory runs out or throughput stops improving."""
    tried: list[Throughput] = []
    size = 1
    while size <= settings.largest_batch and not _is_saturated(tried):
        tried.append(_measured(forward, image, size, settings, per_image or 0))
        if tried[-1].stopped:
            break
        size *= 2
    return tried


def _is_saturated(tried: Sequence[Throughput]) -> bool:
    """Whether the last two doublings of the batch improved throughput by less than 2 %."""
    rates = [batch.images_per_second for batch in tried]
    return len(rates) > 2 and max(rates[-2:]) < 1.02 * max(rates[:-2])


def _measured(
    forward: NetworkSegmenter, image: torch.Tensor, size: int, settings: ProfileSettings, mib_per_image: float
) -> Throughput:
    """The throughput of one batch size, or a note that memory is not sufficient."""
    too_large = Throughput(size, 0.0, None, stopped="memory")
    if _too_large(image.device, size * mib_per_image):
        return too_large
    seconds = settings.seconds if image.device.type == "cuda" else 0.0
    try:
        return _rate(forward, _batch(image, size), max(2, settings.repeats // size), seconds)
    except RuntimeError as error:
        if not memory.is_out_of_memory(error):
            raise
        return too_large


def _batch(image: torch.Tensor, size: int) -> torch.Tensor:
    """A batch of copies of an image in channels-last memory format, like decoded images."""
    return image.permute(0, 2, 3, 1).repeat(size, 1, 1, 1).permute(0, 3, 1, 2)


def _rate(forward: NetworkSegmenter, batch: torch.Tensor, repeats: int, least_seconds: float) -> Throughput:
    """Throughput of repeated predictions of one batch, without waiting for the device in between.

    Args:
        forward: predicts.
        batch: (N, 3, H, W) on the device.
        repeats: least number of predictions.
        least_seconds: least duration, because the energy counter of the driver is updated in steps.
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
    return Throughput(len(batch), images / seconds, None if used is None else used / images)


def _missing(device: torch.device, engine: str) -> dict[str, str]:
    """Figure -> reason why the driver of a GPU, or OpenVINO, does not report it."""
    if engine == "openvino":
        return {"allocated": "OpenVINO does not say what it allocates"}
    readings = {"process": nvml.process_memory(device), "J/image": nvml.joules(device)}
    return {name: reading.missing for name, reading in readings.items() if reading.missing is not None}


def _too_large(device: torch.device, mib: float) -> bool:
    """Whether a CPU lacks the memory, which is checked because the system kills a process that takes too much."""
    return device.type == "cpu" and mib * (1 << 20) > 0.7 * psutil.virtual_memory().available
