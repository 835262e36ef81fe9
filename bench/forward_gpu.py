"""The forward pass with argmax on a GPU, side by side with the original repository's network on the same one."""

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
"""Ways of `bench.contenders.forward`, and what they are; what matters most is measured first."""


def run(samples: Path, rounds: int = 3, repeats: int = 50) -> dict[str, Any]:
    """Time all ways in turn on the same real image, and compare them with what the GPU can do at most.

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
    note: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all ways in turn, in processes of their own.

    Args:
        root: of a Cityscapes that has an image in val.
        device: cpu or gpu.
        size: height and width of the image, which is enlarged or cut to it.
        side: of the matrices that say what the device can do; None for its own.
        contenders: of `CONTENDERS`.
        rounds: at most.
        repeats: forward passes in each process, after warming up.
        seconds: for all, the ceilings that are measured first included.
        start: how to start processes.
        note: is given the record so far, after each process.
    """
    deadline = time.monotonic() + seconds
    floors = _floors(device, size, side)
    what = (
        f"FCN-8s of random weights, one image of {size[0]} x {size[1]}, uint8 in and ids out on the device, "
        f"{repeats} times in each process after warming up"
    )

    def record(done: Measurements[Result]) -> dict[str, Any]:
        counts = [len(those) for those in done.results.values()]
        head = {"what": what, "contenders": dict(contenders), "rounds": max(counts, default=0)}
        return {**head, "failed": done.failed, "notes": done.notes, **compared(done.results, floors)}

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder), root, device, start)
        done = race.measure_in_turn(
            list(contenders),
            lambda name, left: workspace.result(name, size, repeats, limit=left),
            rounds,
            deadline - time.monotonic(),
            lambda done: note(record(done)),
        )
    return record(done)


def compared(results: dict[str, list[Result]], floors: dict[str, float]) -> dict[str, Any]:
    """All ways against the original's, if that is there, and against the seconds that their precisions take at least.

    Peaks are recorded twice: with the first image, when algorithms are chosen and graphs captured, and after it.
    """
    medians = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    seconds = {name: statistics.median(times) for name, times in medians.items()}
    last = {name: those[-1] for name, those in results.items()}
    record: dict[str, Any] = {
        "milliseconds": {name: round(1e3 * value, 3) for name, value in seconds.items()},
        "times_as_fast_as_original": race.speedups(medians, "original"),
        "times_the_floor": {name: round(seconds[name] / floors[name], 2) for name in seconds if name in floors},
        "milliseconds_of_the_floor": {name: round(1e3 * value, 3) for name, value in floors.items()},
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
            f"{_cell(record['times_the_floor'].get(name), '6.2f')} floors  "
            f"{record['peak_allocated_mib'][name]:6} MiB ({_cell(shares.get('allocated'), '.0%')}), with the first "
            f"image {record['peak_allocated_mib_first_image_included'][name]:6}, "
            f"reserved {record['peak_reserved_mib'][name]:6} ({_cell(shares.get('reserved'), '.0%')})  "
            f"{_cell(record['equal_to_exact'].get(name), '.4%')} equal"
        )
    return "\n".join([*lines, *race.problem_lines(record)])


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _floors(device: str, size: tuple[int, int], side: int | None) -> dict[str, float]:
    """The least seconds of our ways, from counted work and measured ceilings."""
    cost = flops.count(catalogue.network("fcn8s", 19), size)
    floors: dict[str, float] = {}
    found: dict[str, float] = {}
    for name, options in OPTIONS.items():
        if options:
            process = find_process(device, str(options["precision"]))
            if process.precision not in found:
                ceiling = roofline.measure(process.device, process.precision, side=side)
                itemsize = DTYPES[process.precision].itemsize
                found[process.precision] = cost.floor_seconds(*ceiling, itemsize)
            floors[name] = found[process.precision]
    if device == "gpu":
        torch.cuda.empty_cache()
    return floors
