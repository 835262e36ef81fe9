"""Training steps, side by side with the original loop, on a GPU if there is one; no files are read."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench import race
from bench.launch import StartProcess, start_interpreter
from bench.race import Measurements

SIZES = {"cuda": (16, 1024, 30), "cpu": (2, 256, 8)}
"""Device -> images per step, side of the crops and number of steps."""
CONTENDERS = {
    "cpu": {"original": "original", "ours": "ours", "ours, compiled": "compiled"},
    "cuda": {
        "original": "original",
        "ours, CUDA graph": "graph",
        "ours": "ours",
        "ours, fp16": "fp16",
        "ours, compiled": "compiled",
        "ours, compiled, CUDA graph": "compiled_graph",
    },
}
"""Device -> name -> contender of `bench.contenders.training_step`; the most important ones are measured first."""


def run(samples: Path, rounds: int = 5) -> dict[str, Any]:
    """Time all contenders in turn; no real data is needed."""
    del samples
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return measure(device, SIZES[device], CONTENDERS[device], rounds=rounds)


def measure(
    device: str,
    sizes: tuple[int, int, int],
    contenders: dict[str, str],
    *,
    rounds: int,
    seconds: float = math.inf,
    start: StartProcess = start_interpreter,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all contenders in turn, each in its own process, which warms up and times itself.

    Args:
        device: cpu or cuda, for the record; the contenders choose it themselves.
        sizes: images per step, side of the crops, and number of steps.
        contenders: name -> contender of `bench.contenders.training_step`.
        rounds: most rounds; fewer if time runs out.
        seconds: time limit for everything.
        start: function that starts processes.
        on_progress: called with the record so far after each process.
    """
    batch, crop, steps = sizes
    arguments = [str(batch), str(crop), str(steps)]

    warnings: dict[str, list[str]] = {}

    def time_contender(name: str, left: float) -> float:
        ended = race.run_limited(["-m", "bench.contenders.training_step", contenders[name], *arguments], left, start)
        if problem_lines := race.warnings(ended):
            warnings[name] = problem_lines
        return float(ended.out.split()[-1])

    def record(done: Measurements[float]) -> dict[str, Any]:
        medians = {name: statistics.median(times) for name, times in done.results.items()}
        return {
            "what": f"train FCN-8s on VGG11-BN, {batch} crops of {crop} x {crop} per step, focal loss, AdamW; "
            f"{steps} steps after warming up, timed by the process itself",
            "device": device,
            "rounds": max(map(len, done.results.values()), default=0),
            "milliseconds_a_step": {name: round(1e3 * median / steps, 1) for name, median in medians.items()},
            "images_per_second": {name: round(batch * steps / median, 2) for name, median in medians.items()},
            "times_as_fast_as_original": race.speedups(done.results, "original"),
            "failed": done.failed,
            "notes": done.notes,
            "warnings": warnings,
        }

    done = race.measure_in_turn(
        list(contenders), time_contender, rounds, seconds, lambda done: on_progress(record(done))
    )
    return record(done)


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<26} {milliseconds:8.1f} ms per step  {record['images_per_second'][name]:7.2f} images/s  "
        f"{record['times_as_fast_as_original'].get(name, math.nan):5.2f} x"
        for name, milliseconds in record["milliseconds_a_step"].items()
    ]
    head = f"{record['what']}; {record['device']}, medians of {record['rounds']} rounds"
    return "\n".join([head, *rows, *race.problem_lines(record)])
