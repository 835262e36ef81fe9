"""The forward pass with argmax on a GPU, side by side with the original network on the same GPU."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import catalogue
from bench import race
from bench.contenders.forward import OPTIONS
from bench.forward import SIZE, Result, Workspace
from bench.launch import StartProcess, start_interpreter
from bench.race import Measurements
from cityscapes.labels import LABEL_ID_OF
from engine.devices.device import DTYPES
from engine.devices.process import find_process
from engine.errors import InputError
from engine.profiling import flops, roofline

CONTENDERS = {
    "original": "network as written, float32, NCHW, TF32 where torch allows it by default",
    "ours": "as test_fcn.py predicts",
    "exact": "float32 with all its bits",
    "torch": "as test_fcn.py --kernels torch predicts",
    "bf16": "as ours, in bf16",
    "compiled": "as ours, by torch.compile",
}
"""Contender of `bench.contenders.forward` -> description; the most important ones are measured first."""


def run(samples: Path, rounds: int = 3, repeats: int = 50) -> dict[str, Any]:
    """Time all contenders in turn on the same real image, and compare them with the roofline of the GPU.

    Raises:
        InputError: if there is no GPU or no real image.
    """
    if not torch.cuda.is_available():
        raise InputError("forward_gpu: no CUDA device found; python -m bench forward measures the CPU")
    return measure(samples / "cityscapes", rounds=rounds, repeats=repeats)


def measure(
    root: Path,
    device: str = "gpu",
    size: tuple[int, int] = SIZE,
    side: int | None = None,
    *,
    contenders: Mapping[str, str] = CONTENDERS,
    rounds: int,
    repeats: int,
    seconds: float = math.inf,
    start: StartProcess = start_interpreter,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all contenders in turn, each in its own process.

    Args:
        root: a Cityscapes root with an image in val.
        device: cpu or gpu.
        size: height and width of the image, which is tiled and cropped to it.
        side: side of the matrices that measure the roofline; None for the default of the device.
        contenders: a selection of `CONTENDERS`.
        rounds: most rounds; fewer if time runs out.
        repeats: forward passes in each process, after warming up.
        seconds: time limit, including the roofline, which is measured first.
        start: function that starts processes.
        on_progress: called with the record so far after each process.
    """
    deadline = time.monotonic() + seconds
    limits = _roofline_seconds(device, size, side)
    what = (
        f"FCN-8s of random weights, one image of {size[0]} x {size[1]}, uint8 in and ids out on the device, "
        f"{repeats} timed repeats in each process after warming up"
    )

    def record(done: Measurements[Result]) -> dict[str, Any]:
        counts = [len(those) for those in done.results.values()]
        head = {"what": what, "contenders": dict(contenders), "rounds": max(counts, default=0)}
        return {**head, "failed": done.failed, "notes": done.notes, **compared(done.results, limits)}

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder), root, device, start)
        done = race.measure_in_turn(
            list(contenders),
            lambda name, left: workspace.result(name, size, repeats, limit=left),
            rounds,
            deadline - time.monotonic(),
            lambda done: on_progress(record(done)),
        )
    return record(done)


def compared(results: dict[str, list[Result]], limits: dict[str, float]) -> dict[str, Any]:
    """Compare all contenders with the original network, if it was measured, and with the roofline of their precisions.

    Peak memory is recorded twice: including the first image, when algorithms are chosen and graphs captured, and after
    the first images.

    Args:
        results: contender -> figures of each round.
        limits: contender -> lowest possible time in seconds by the roofline.

    Returns:
        Figures by name for the record.
    """
    medians = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    seconds = {name: statistics.median(times) for name, times in medians.items()}
    last = {name: those[-1] for name, those in results.items()}
    record: dict[str, Any] = {
        "milliseconds": {name: round(1e3 * value, 3) for name, value in seconds.items()},
        "times_as_fast_as_original": race.speedups(medians, "original"),
        "times_the_roofline": {name: round(seconds[name] / limits[name], 2) for name in seconds if name in limits},
        "roofline_milliseconds": {name: round(1e3 * value, 3) for name, value in limits.items()},
        "peak_allocated_mib": {name: round(one.steady_peak) for name, one in last.items()},
        "peak_allocated_mib_first_image_included": {name: round(one.working_peak) for name, one in last.items()},
        "peak_reserved_mib": {name: round(one.reserved) for name, one in last.items()},
        "warnings": {name: list(one.warnings) for name, one in last.items() if one.warnings},
        "share_of_original_peak": {},
        "equal_to_exact": {},
    }
    if "original" in last:
        theirs = last["original"]
        record["share_of_original_peak"] = {
            name: {
                "allocated": round(one.steady_peak / theirs.steady_peak, 3),
                "first_image_included": round(one.working_peak / theirs.working_peak, 3),
                "reserved": round(one.reserved / theirs.reserved, 3),
            }
            for name, one in last.items()
        }
    if "exact" in last:
        ids = {name: LABEL_ID_OF[one.ids] if name == "original" else one.ids for name, one in last.items()}
        record["equal_to_exact"] = {name: float((those == ids["exact"]).mean()) for name, those in ids.items()}
    return record


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    lines = [record["what"]]
    for name, milliseconds in record["milliseconds"].items():
        shares = record["share_of_original_peak"].get(name, {})
        lines.append(
            f"  {name:<9} {milliseconds:8.2f} ms {_cell(record['times_as_fast_as_original'].get(name), '6.2f')} x  "
            f"{_cell(record['times_the_roofline'].get(name), '6.2f')} x roofline  "
            f"{record['peak_allocated_mib'][name]:6} MiB ({_cell(shares.get('allocated'), '.0%')}), with the first "
            f"image {record['peak_allocated_mib_first_image_included'][name]:6}, "
            f"reserved {record['peak_reserved_mib'][name]:6} ({_cell(shares.get('reserved'), '.0%')})  "
            f"{_cell(record['equal_to_exact'].get(name), '.4%')} equal"
        )
    return "\n".join([*lines, *race.problem_lines(record)])


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _roofline_seconds(device: str, size: tuple[int, int], side: int | None) -> dict[str, float]:
    """Lowest possible seconds of our contenders, from counted FLOPs and bytes and the measured roofline."""
    cost = flops.count(catalogue.network("fcn8s", 19), size)
    limits: dict[str, float] = {}
    found: dict[str, float] = {}
    for name, options in OPTIONS.items():
        if options:
            process = find_process(device, str(options["precision"]))
            if process.precision not in found:
                peaks = roofline.measure(process.device, process.precision, side=side)
                itemsize = DTYPES[process.precision].itemsize
                found[process.precision] = cost.floor_seconds(*peaks, itemsize)
            limits[name] = found[process.precision]
    if device == "gpu":
        torch.cuda.empty_cache()
    return limits
