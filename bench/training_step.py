"""Steps of training, side by side with the ancestor's loop, on a GPU if there is one; no loading of files."""

import statistics
from pathlib import Path
from typing import Any

import torch

from bench import contest

SIZES = {"cuda": (16, 1024, 30), "cpu": (2, 256, 8)}
"""Images a step, side of the crops and number of steps, by device."""


def run(samples: Path, rounds: int = 5) -> dict[str, Any]:
    """Time all in turn; no real data is needed.

    Raises:
        InputError: if one of them fails.
    """
    del samples
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch, crop, steps = SIZES[device]
    words = [str(batch), str(crop), str(steps)]
    ways = {"ancestor": "ancestor", "ours": "ours", "ours, compiled": "compiled"}
    contenders = {name: ["-m", "bench.stepping", way, *words] for name, way in ways.items()}
    seconds = contest.hold(contenders, rounds, told=True)
    images = batch * steps
    return {
        "what": f"train FCN-8s on VGG11-BN, {batch} crops of {crop} x {crop} a step, focal loss, AdamW; "
        f"{steps} steps after warming up, timed by the process itself",
        "device": device,
        "rounds": rounds,
        "milliseconds_a_step": {
            name: round(1e3 * statistics.median(times) / steps, 1) for name, times in seconds.items()
        },
        "images_per_second": {name: round(images / statistics.median(times), 2) for name, times in seconds.items()},
        "times_as_fast_as_ancestor": contest.ratios(seconds, "ancestor"),
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<14} {milliseconds:8.1f} ms a step  {record['images_per_second'][name]:7.2f} images/s  "
        f"{record['times_as_fast_as_ancestor'][name]:5.2f} x"
        for name, milliseconds in record["milliseconds_a_step"].items()
    ]
    return "\n".join([f"{record['what']}; {record['device']}, medians of {record['rounds']} rounds", *rows])
