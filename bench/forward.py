"""The forward pass with argmax, side by side with the original network as written: time, memory, and in tiles."""

import json
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import catalogue
from bench import race
from bench.launch import ProcessHandle, StartProcess, start_interpreter
from cityscapes.labels import LABEL_ID_OF
from cityscapes.layout import scenes_with_image
from engine.errors import InputError

CONTENDERS = {
    "original": "original",
    "ours, exact": "exact",
    "ours by torch": "torch_engine",
    "ours": "ours",
    "ours, bf16": "bf16",
}
AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
"""Environment variables that limit libraries to AVX2, as on processors without AVX-512."""
SIZE = (1024, 2048)
TILED_SIZES = (SIZE, (3000, 4001))
BUDGET_DIVISOR = 4
"""The memory budget of tiles is the memory of the whole image divided by this."""


class Result(NamedTuple):
    """Figures of one process; memory in MiB, see `bench.contenders.forward`."""

    seconds: list[float]
    ready: float
    working_peak: float
    steady_peak: float
    peak: float
    reserved: float
    ids: np.ndarray[Any, Any]
    warnings: Sequence[str] = ()
    """Warnings that the process printed."""

    @property
    def growth(self) -> float:
        """Peak memory of predicting in MiB, without that of the loaded network."""
        return self.working_peak - self.ready


class Workspace(NamedTuple):
    """Files that all contenders use, the device, and the way to start processes."""

    weights: Path
    image: Path
    ids: Path
    device: str = "cpu"
    start: StartProcess = start_interpreter
    """Function that starts processes."""

    @classmethod
    def create(
        cls, folder: Path, root: Path, device: str = "cpu", start: StartProcess = start_interpreter
    ) -> "Workspace":
        """Write random weights to a folder, and choose an image of a Cityscapes root.

        Raises:
            InputError: if the root has no image in val.
        """
        scenes = list(scenes_with_image(root, "val"))
        if not scenes:
            raise InputError(f"{root}: contains no images; pass a folder with cityscapes/leftImg8bit as --samples")
        image = scenes[0].image(root).resolve()
        workspace = cls(folder / "fcn8s.pth", image, folder / "ids.npy", device, start)
        torch.manual_seed(0)
        torch.save(catalogue.network("fcn8s", 19).state_dict(), workspace.weights)
        return workspace

    def result(
        self, contender: str, size: tuple[int, int], repeats: int, budget: float | None = None, limit: float = math.inf
    ) -> Result:
        """Predict in a process of its own, and return its figures.

        Args:
            contender: of `bench.contenders.forward.OPTIONS`.
            size: height and width of the image.
            repeats: predictions that are timed.
            budget: memory in MiB, for prediction in tiles; None for the whole image.
            limit: seconds after which the process is killed.

        Raises:
            InputError: if the process fails or takes longer.
        """
        shape = "x".join(map(str, size))
        arguments = [self.device, contender, str(self.weights), str(self.image), shape, str(repeats), str(self.ids)]
        budgets = [] if budget is None else [f"{budget:.1f}"]
        ended = race.run_limited(["-m", "bench.contenders.forward", *arguments, *budgets], limit, self.start)
        figures = json.loads(ended.out.splitlines()[-1])
        return Result(**figures, ids=np.load(self.ids), warnings=race.warnings(ended))


def run(samples: Path, rounds: int = 2, repeats: int = 2) -> dict[str, Any]:
    """Time all contenders in turn on the same image, and compare prediction in tiles with whole images.

    Raises:
        InputError: if there are no real images, or a contender fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder), samples / "cityscapes")
        run_limited = workspace._replace(start=partial(_start_with, AVX2_ONLY))
        in_float32 = {name: contender for name, contender in CONTENDERS.items() if contender != "bf16"}
        tables = {
            "all instructions": _compare(workspace, CONTENDERS, rounds, repeats),
            "AVX2 only": _compare(run_limited, in_float32, rounds, repeats),
        }
        tiles = [row for size in TILED_SIZES for row in _tiled(workspace, size)]
    return {
        "what": f"FCN-8s of random weights, one real image of {SIZE[0]} x {SIZE[1]}, uint8 in and ids out, "
        f"{repeats} timed repeats in each of {rounds} processes after one to warm up",
        "rounds": rounds,
        "contenders": tables,
        "tiles": tiles,
    }


def _start_with(
    variables: Mapping[str, str], arguments: Sequence[str], out: Path, error: Path, more: Any
) -> ProcessHandle:
    """Start a process with additional environment variables."""
    return start_interpreter(arguments, out, error, {**variables, **more})


def _compare(
    workspace: "Workspace", contenders: Mapping[str, str], rounds: int, repeats: int
) -> dict[str, dict[str, float]]:
    """Figures of each contender; speedups are medians over the rounds."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            results[name].append(workspace.result(contender, SIZE, repeats))
    seconds = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    speedups = race.speedups(seconds, "original")
    expected = LABEL_ID_OF[results["original"][0].ids]
    return {
        name: {
            "median_seconds": round(statistics.median(seconds[name]), 3),
            "times_as_fast_as_original": speedups[name],
            "peak_process_mib": round(_median(those, "peak")),
            "mib_beyond_the_loaded_network": round(_median(those, "growth")),
            "equal_pixels": 1.0 if name == "original" else float((expected == those[0].ids).mean()),
        }
        for name, those in results.items()
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    lines = [record["what"]]
    for title, contenders in record["contenders"].items():
        lines.append(f"{title}:")
        lines += [
            f"  {name:<14} {row['median_seconds']:7.2f} s {row['times_as_fast_as_original']:6.2f} x  "
            f"{row['peak_process_mib']:6} MiB in total, {row['mib_beyond_the_loaded_network']:5} MiB for the image, "
            f"{row['equal_pixels']:9.4%} equal"
            for name, row in contenders.items()
        ]
    lines.append("in tiles, with a memory budget:")
    lines += [
        f"  {tile['contender']:<12} {tile['size']:>9}: whole {tile['whole_mib']:5} MiB, "
        f"budget {tile['budget_mib']:5} MiB, used {tile['taken_mib']:5} MiB, {tile['different_pixels']} pixels differ"
        for tile in record["tiles"]
    ]
    return "\n".join(lines)


def _median(results: list[Result], name: str) -> float:
    return statistics.median(float(getattr(result, name)) for result in results)


def _tiled(workspace: Workspace, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Predict in tiles with a fraction of the memory of the whole image, and compare both predictions."""
    whole = {name: workspace.result(CONTENDERS[name], size, 0) for name in ("ours, exact", "ours")}
    rows = []
    for name, result in whole.items():
        budget = result.growth / BUDGET_DIVISOR
        bounded = workspace.result(CONTENDERS[name], size, 0, budget)
        rows.append(
            {
                "contender": name,
                "size": "x".join(map(str, size)),
                "whole_mib": round(result.growth),
                "budget_mib": round(budget),
                "taken_mib": round(bounded.growth),
                "different_pixels": int((result.ids != bounded.ids).sum()),
            }
        )
    return rows
