"""The forward pass with argmax, side by side with the ancestor's network as written: time, memory, and in tiles."""

import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import catalogue
from bench import race
from bench.launch import Start, fresh
from cityscapes.labels import LABEL_ID_OF
from cityscapes.layout import pictured_scenes
from engine.errors import InputError

WAYS = {"ancestor": "ancestor", "ours, exact": "exact", "ours": "ours"}
SIZE = (1024, 2048)
TILED_SIZES = (SIZE, (3000, 4001))
SHARE = 4
"""What the network as written takes for the whole image, divided by this, is allowed for tiles."""


class Result(NamedTuple):
    """What one process found."""

    seconds: list[float]
    ready: float
    working_peak: float
    steady_peak: float
    peak: float
    held: float
    ids: np.ndarray[Any, Any]
    warnings: Sequence[str] = ()
    """Of its own that the process printed."""

    @property
    def growth(self) -> float:
        """MiB that predicting takes beyond the loaded network."""
        return self.working_peak - self.ready


class Stage(NamedTuple):
    """Files that all contenders use, and the device."""

    weights: Path
    image: Path
    ids: Path
    device: str = "cpu"
    start: Start = fresh
    """How to start processes."""

    @classmethod
    def set_up(cls, folder: Path, root: Path, device: str = "cpu", start: Start = fresh) -> "Stage":
        """Weights made up, and an image of a Cityscapes root.

        Raises:
            InputError: if there is none.
        """
        scenes = list(pictured_scenes(root, "val"))
        if not scenes:
            raise InputError(f"{root}: no images in it; give a folder with cityscapes/leftImg8bit as --samples")
        image = scenes[0].image(root).resolve()
        stage = cls(folder / "fcn8s.pth", image, folder / "ids.npy", device, start)
        torch.manual_seed(0)
        torch.save(catalogue.network("fcn8s", 19).state_dict(), stage.weights)
        return stage

    def result(
        self, way: str, size: tuple[int, int], repeats: int, budget: float | None = None, limit: float = math.inf
    ) -> Result:
        """What a process finds that predicts, in so many seconds at most."""
        shape = "x".join(map(str, size))
        words = [self.device, way, str(self.weights), str(self.image), shape, str(repeats), str(self.ids)]
        budgets = [] if budget is None else [f"{budget:.1f}"]
        ended = race.limited(["-m", "bench.contenders.forward", *words, *budgets], limit, self.start)
        told = json.loads(ended.out.splitlines()[-1])
        return Result(**told, ids=np.load(self.ids), warnings=race.warnings(ended))


def run(samples: Path, rounds: int = 5, repeats: int = 2) -> dict[str, Any]:
    """Time all contenders in turn on the same image, and hold tiles against whole images.

    Raises:
        InputError: if there are no real images, or a contender fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage.set_up(Path(folder), samples / "cityscapes")
        results: dict[str, list[Result]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name, way in WAYS.items():
                results[name].append(stage.result(way, SIZE, repeats))
        tiles = [row for size in TILED_SIZES for row in _tiled(stage, size)]
    medians = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    ancestor = results["ancestor"][0]
    return {
        "what": f"FCN-8s of random weights, one real image of {SIZE[0]} x {SIZE[1]}, uint8 in and ids out, "
        f"{repeats} times in each of {rounds} processes after once to warm up",
        "rounds": rounds,
        "median_seconds": {name: round(statistics.median(times), 3) for name, times in medians.items()},
        "times_as_fast_as_ancestor": race.ratios(medians, "ancestor"),
        "peak_process_mib": {name: round(_median(those, "peak")) for name, those in results.items()},
        "mib_beyond_the_loaded_network": {name: round(_median(those, "growth")) for name, those in results.items()},
        "equal_pixels": {
            name: float((LABEL_ID_OF[ancestor.ids] == those[0].ids).mean())
            for name, those in results.items()
            if name != "ancestor"
        },
        "tiles": tiles,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<12} {seconds:7.2f} s {record['times_as_fast_as_ancestor'][name]:6.2f} x  "
        f"{record['peak_process_mib'][name]:6} MiB in all, {record['mib_beyond_the_loaded_network'][name]:5} MiB for "
        f"the image, {record['equal_pixels'].get(name, 1):9.4%} equal"
        for name, seconds in record["median_seconds"].items()
    ]
    tiles = [
        f"  {tile['way']:<12} {tile['size']:>9}: takes {tile['whole_mib']:5} MiB; of {tile['budget_mib']:5} allowed "
        f"{tile['taken_mib']:5} taken, {tile['different_pixels']} pixels differ"
        for tile in record["tiles"]
    ]
    return "\n".join([record["what"], *rows, "within a budget:", *tiles])


def _median(results: list[Result], name: str) -> float:
    return statistics.median(float(getattr(result, name)) for result in results)


def _tiled(stage: Stage, size: tuple[int, int]) -> list[dict[str, Any]]:
    """An image within a share of the memory that the network as written takes for all of it, held against the whole."""
    whole = {name: stage.result(way, size, 0) for name, way in WAYS.items() if name != "ancestor"}
    budgets = [(name, whole["ours, exact"].growth / SHARE) for name in whole]
    if size != SIZE:
        budgets.append(("ours", whole["ours"].growth / 2))
    rows = []
    for name, budget in budgets:
        bounded = stage.result(WAYS[name], size, 0, budget)
        rows.append(
            {
                "way": name,
                "size": "x".join(map(str, size)),
                "whole_mib": round(whole[name].growth),
                "budget_mib": round(budget),
                "taken_mib": round(bounded.growth),
                "different_pixels": int((whole[name].ids != bounded.ids).sum()),
            }
        )
    return rows
