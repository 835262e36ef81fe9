"""The forward pass with argmax on a GPU, side by side with the ancestor's network as written on the same one."""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

import catalogue
from bench import contest
from bench.forward import SIZE, Result, Stage
from bench.forwarding import WAYS
from cityscapes.labels import LABEL_ID_OF
from engine import ceilings, costs
from engine.faults import InputError
from engine.place import find_place


def run(samples: Path, rounds: int = 3, repeats: int = 50) -> dict[str, Any]:
    """Time all ways in turn on the same image, and hold them against what the GPU can do at most.

    Raises:
        InputError: if there is no GPU, no real image, or a contender fails.
    """
    if not torch.cuda.is_available():
        raise InputError("forward_gpu: no CUDA device found; python -m bench forward measures the CPU")
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage.set_up(Path(folder), samples, "gpu")
        results: dict[str, list[Result]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name in WAYS:
                results[name].append(stage.result(name, SIZE, repeats))
    return {
        "what": f"FCN-8s of random weights, one real image of {SIZE[0]} x {SIZE[1]}, uint8 in and ids out on the GPU, "
        f"{repeats} times in each of {rounds} processes after warming up",
        "rounds": rounds,
        **compared(results, _floors()),
    }


def compared(results: dict[str, list[Result]], floors: dict[str, float]) -> dict[str, Any]:
    """All ways against the ancestor's, and against the seconds that their precisions take at least."""
    medians = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    ancestor, exact = results["ancestor"][0], results["exact"][0].ids
    ids = {name: those[0].ids for name, those in results.items()} | {"ancestor": LABEL_ID_OF[ancestor.ids]}
    seconds = {name: statistics.median(times) for name, times in medians.items()}
    return {
        "milliseconds": {name: round(1e3 * value, 3) for name, value in seconds.items()},
        "times_as_fast_as_ancestor": contest.ratios(medians, "ancestor"),
        "times_the_floor": {name: round(seconds[name] / floor, 2) for name, floor in floors.items()},
        "peak_allocated_mib": {name: round(those[0].working_peak) for name, those in results.items()},
        "share_of_ancestors_peak": {
            name: round(those[0].working_peak / ancestor.working_peak, 3) for name, those in results.items()
        },
        "equal_to_exact": {name: float((those == exact).mean()) for name, those in ids.items()},
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<14} {milliseconds:8.2f} ms {record['times_as_fast_as_ancestor'][name]:6.2f} x  "
        f"{record['times_the_floor'].get(name, '-'):>6} floors  {record['peak_allocated_mib'][name]:6} MiB "
        f"({record['share_of_ancestors_peak'][name]:5.0%})  {record['equal_to_exact'][name]:9.4%} equal"
        for name, milliseconds in record["milliseconds"].items()
    ]
    return "\n".join([record["what"], *rows])


def _floors() -> dict[str, float]:
    """The least seconds of our ways, from counted work and measured ceilings."""
    cost = costs.count(catalogue.network("fcn8s", 19), SIZE)
    floors = {}
    for name, how in WAYS.items():
        if how:
            place = find_place("gpu", str(how["precision"]))
            ceiling = ceilings.measure(place.device, place.precision)
            floors[name] = cost.floor_seconds(*ceiling, ceilings.DTYPES[place.precision].itemsize)
    torch.cuda.empty_cache()
    return floors
