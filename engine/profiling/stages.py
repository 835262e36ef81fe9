"""Duration of each stage of a prediction, and its peak memory."""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from engine import environment
from engine.devices import memory, nvml
from engine.devices.device import synchronise
from engine.files.images import image_size
from engine.inference.pipeline import Predictor
from engine.tables import Table

STAGES = ("decode", "transfer", "forward", "fetch", "encode")

Value = TypeVar("Value")


def profile(
    predictor: Predictor, images: Sequence[Path], scratch: Path, *, precision: str, warm_up: int
) -> dict[str, Any]:
    """Predict images one at a time, and time each stage separately.

    The device is synchronised before each clock reading, so stages do not overlap. The total is therefore the latency
    of one image, not the throughput of many.

    Args:
        predictor: to measure.
        images: files to predict; the first `warm_up` of them are predicted once before, untimed.
        scratch: path of a PNG for predictions; removed after each image.
        precision: name of the precision, for the result.
        warm_up: number of untimed images.

    Returns:
        JSON content: protocol, milliseconds per stage, memory in MiB, environment.
    """
    device = predictor.device
    memory.reset_peaks(device)
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    first = images[:warm_up]
    if not sys.stderr.isatty():
        print(f"profile: {len(images)} images after {len(first)} to warm up, one at a time", file=sys.stderr)
    for number, path in enumerate(tqdm([*first, *images], "profile", disable=None, leave=False)):
        into = times if number >= len(first) else {stage: [] for stage in STAGES}
        try:
            _time(into, predictor, path, scratch)
        finally:
            scratch.unlink(missing_ok=True)
    times["total"] = [sum(stages) for stages in zip(*(times[stage] for stage in STAGES), strict=True)]
    sizes = sorted({"x".join(map(str, image_size(path))) for path in images})
    return {
        "protocol": "batch size 1, one image after the other, device synchronised before each clock reading",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else environment.cpu_name(),
        "precision": precision,
        "image_size": sizes,
        "images": len(images),
        "warm_up": len(first),
        "milliseconds": {stage: _summary(values) for stage, values in times.items()},
        "memory_mib": _memory(device),
        "not_measured": {} if (why := nvml.process_memory(device).missing) is None else {"process": why},
        "environment": environment.describe(),
    }


def table(result: dict[str, Any]) -> str:
    """The result of `profile` as text to print."""
    lines = [
        f"{result['device']}, {result['precision']}, {', '.join(result['image_size'])}, "
        f"{result['images']} images after {result['warm_up']} to warm up",
        _table(result["milliseconds"]).render(),
    ]
    on_gpu = result["memory_mib"]["host"] is not None
    lines += [
        f"{name} memory: {_reason(result, name) if value is None else f'{value:.0f} MiB'}"
        for name, value in result["memory_mib"].items()
        if value is not None or on_gpu
    ]
    return "\n".join(lines)


def _table(milliseconds: dict[str, dict[str, float]]) -> Table:
    columns = {f"{figure} ms": [stage[figure] for stage in milliseconds.values()] for figure in ("median", "p95")}
    return Table({"stage": list(milliseconds), **columns}, dict.fromkeys(columns, "{:.1f}".format))


def _reason(result: dict[str, Any], name: str) -> str:
    """The text for a missing figure, with its reason."""
    why = result["not_measured"].get(name)
    return "not measured" if why is None else f"not measured ({why})"


def _time(times: dict[str, list[float]], predictor: Predictor, path: Path, scratch: Path) -> None:
    """Predict an image, and append the milliseconds of each stage."""
    device = predictor.device
    image = _timed(times["decode"], device, predictor.decode, path)
    tensor = _timed(times["transfer"], device, predictor.transfer, image)
    ids = _timed(times["forward"], device, predictor.forward, tensor)
    prediction = _timed(times["fetch"], device, predictor.fetch, ids)
    _timed(times["encode"], device, predictor.encode, prediction, scratch)


def _timed(into: list[float], device: torch.device, work: Callable[..., Value], *arguments: Any) -> Value:
    """Do the work and append its milliseconds."""
    began = time.perf_counter()
    value = work(*arguments)
    synchronise(device)
    into.append(1000 * (time.perf_counter() - began))
    return value


def _summary(values: Sequence[float]) -> dict[str, float]:
    """Median, and 95th percentile by the nearest rank."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p95": ordered[-(-95 * len(ordered) // 100) - 1]}


def _memory(device: torch.device) -> dict[str, float | None]:
    """Peak memory in MiB; on a GPU with the resident memory of the process as `host`, which is `process` on a CPU."""
    found = memory.peaks(device)
    return {
        "allocated": found["allocated"],
        "reserved": found["reserved"],
        "process": found["process"],
        "host": memory.process_peak() if device.type == "cuda" else None,
    }
