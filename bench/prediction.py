"""Prediction from PNG to PNG, side by side with the original loop: whole processes on full-size images."""

import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

import catalogue.weights
from bench import race
from bench.launch import StartProcess, start_interpreter
from bench.race import Measurements
from cityscapes.layout import scenes_with_image
from engine.errors import InputError
from engine.files.images import read_ids
from engine.parallel import available_cpus

_FORWARD = """
import sys, time
from pathlib import Path
import catalogue.weights
from engine.devices.process import find_process
from engine.inference.network import NetworkSegmenter
from engine.inference.pipeline import Predictor
benchmark = catalogue.benchmark("cityscapes")
network, about, _ = catalogue.weights.load_network_for(benchmark, Path(sys.argv[1]))
predictor = Predictor(NetworkSegmenter(find_process(sys.argv[3], "auto"), network, about, benchmark))
paths = sorted(Path(sys.argv[2]).rglob("*.png"))
image = predictor.transfer(predictor.decode(paths[0]))
for _ in range(min(len(paths), 5)):
    predictor.fetch(predictor.forward(image))
began = time.perf_counter()
for _ in paths:
    predictor.fetch(predictor.forward(image))
print((time.perf_counter() - began) / len(paths))
"""
_PNG = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from engine.files.images import read_image, write_png
def work(path):
    write_png(Path(sys.argv[2]) / path.name, read_image(path)[..., 0] // 16)
paths = sorted(Path(sys.argv[1]).rglob("*.png"))
with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(work, paths[: int(sys.argv[3])]))
    began = time.perf_counter()
    list(pool.map(work, paths))
print((time.perf_counter() - began) / len(paths))
"""
ORIGINAL, OURS, FORWARD, PNG = "original", "ours", "our forward alone", "PNGs alone"


class Timing(NamedTuple):
    """Times of one process."""

    seconds: float
    """Seconds from the start of the process to its end."""
    image: float
    """Seconds per image after the start-up: from the files' times of writing, or as printed by the process."""


@dataclass(frozen=True)
class _Workspace:
    """Folder with the images, the weights and all predictions."""

    path: Path
    device: str
    start: StartProcess

    @property
    def weights(self) -> Path:
        return self.path / "fcn8s.pth"

    def root(self, name: str) -> Path:
        """Data folder of a contender; the original loop, which is slower, gets fewer images."""
        return self.path / ("few" if name == ORIGINAL else "many")

    def predictions(self, name: str) -> Path:
        """Folder that a contender writes its predictions to."""
        return self.path / "out" / "fcn8s" / "test" / "predictions" if name == OURS else self.path / name

    def arguments(self, name: str) -> list[str]:
        """Arguments of a contender's Python process."""
        weights, root, target = str(self.weights), str(self.root(name)), str(self.predictions(name))
        ours = ["--root", root, "--output", str(self.path / "out"), "--profile_images", "0"]
        return {
            ORIGINAL: ["-m", "bench.contenders.original", weights, root, target],
            FORWARD: ["-c", _FORWARD, weights, root, self.device],
            PNG: ["-c", _PNG, root, target, str(available_cpus())],
            OURS: ["test_fcn.py", "--model_weights_path", weights, "--accelerator", self.device, *ours],
        }[name]

    def time_contender(self, name: str, limit: float) -> Timing:
        """Run a contender and time it.

        Raises:
            InputError: if it fails.
        """
        # Otherwise a rerun of ours would skip existing predictions; the others overwrite theirs.
        shutil.rmtree(self.predictions(name), ignore_errors=True)
        ended = race.run_limited(self.arguments(name), limit, self.start)
        if name in (FORWARD, PNG):
            return Timing(ended.seconds, float(ended.out.split()[-1]))
        return Timing(ended.seconds, _seconds_an_image(self.predictions(name)))


def run(samples: Path, images: int = 24, rounds: int = 3) -> dict[str, Any]:
    """Time all contenders in turn on the same real images, and compare their predictions.

    Raises:
        InputError: if there are no real images.
    """
    device = "gpu" if torch.cuda.is_available() else "cpu"
    return measure(samples / "cityscapes", device, (images, images), "real scenes of 2048x1024", rounds=rounds)


def measure(
    root: Path,
    device: str,
    images: tuple[int, int],
    kind: str,
    *,
    rounds: int,
    seconds: float = math.inf,
    start: StartProcess = start_interpreter,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all contenders in turn, each in its own process.

    Args:
        root: a Cityscapes root with images.
        device: cpu or gpu.
        images: number of images for our contenders, and for the original loop.
        kind: description of the images, for the record.
        rounds: most rounds; fewer if time runs out.
        seconds: time limit for everything.
        start: function that starts processes.
        on_progress: called with the record so far after each process.

    Raises:
        InputError: if there are no images.
    """
    deadline = time.monotonic() + seconds
    many, few = images
    with tempfile.TemporaryDirectory() as folder:
        workspace = _Workspace(Path(folder), device, start)
        _populate(workspace, root, many, few)
        agreement: float | None = None

        def record(done: Measurements[Timing]) -> dict[str, Any]:
            return {
                "what": f"PNGs ({kind}) to label-id PNGs with FCN-8s; ours also packs the zip",
                "device": device,
                "cores": available_cpus(),
                "images": many,
                "images_of_the_original": few,
                "equal_pixels": agreement,
                "failed": done.failed,
                "notes": done.notes,
                **compared(done.results),
            }

        def compare(done: Measurements[Timing]) -> None:
            nonlocal agreement
            if agreement is None and set(done.results) >= {ORIGINAL, OURS}:  # before a later round empties a folder
                agreement = _agreement(workspace)
            on_progress(record(done))

        # The most important ones are measured first.
        names = [ORIGINAL, OURS, FORWARD, PNG]
        done = race.measure_in_turn(names, workspace.time_contender, rounds, deadline - time.monotonic(), compare)
    return record(done)


def compared(results: dict[str, list[Timing]]) -> dict[str, Any]:
    """Compare all contenders with the original loop, and our prediction with the slower of its two stages alone."""
    image_seconds = {name: [one.image for one in those] for name, those in results.items()}
    record: dict[str, Any] = {
        "rounds": max(map(len, results.values()), default=0),
        "median_seconds": {
            name: round(statistics.median(one.seconds for one in those), 2) for name, those in results.items()
        },
        "milliseconds_an_image": {
            name: round(1e3 * statistics.median(those), 2) for name, those in image_seconds.items()
        },
        "times_as_fast_as_original": {OURS: race.speedups(image_seconds, ORIGINAL).get(OURS)},
        "times_the_slowest_stage": None,
        "slowest_stage": None,
    }
    if {OURS, FORWARD, PNG} <= set(results):
        stages = {name: statistics.median(image_seconds[name]) for name in (FORWARD, PNG)}
        record["slowest_stage"] = max(stages, key=lambda name: stages[name])
        record["times_the_slowest_stage"] = round(statistics.median(image_seconds[OURS]) / max(stages.values()), 2)
    return record


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<20} {seconds:7.2f} s in all  {record['milliseconds_an_image'][name]:8.2f} ms per image"
        for name, seconds in record["median_seconds"].items()
    ]
    equal = "not compared" if record["equal_pixels"] is None else f"{record['equal_pixels']:.4%}"
    return "\n".join(
        [
            f"{record['what']}; {record['images']} images ({record['images_of_the_original']} of them by the original "
            f"loop), {record['cores']} cores, medians of {record['rounds']} rounds",
            *rows,
            f"  our prediction is {record['times_as_fast_as_original'][OURS]} times as fast as by the original loop, "
            f"takes {record['times_the_slowest_stage']} times as long as its slower stage alone "
            f"({record['slowest_stage']}), equal pixels {equal}",
            *race.problem_lines(record),
        ]
    )


def _seconds_an_image(predictions: Path) -> float:
    """Seconds per image, from the time when the first tenth of the predictions was written to that of the last one."""
    times = sorted(path.stat().st_mtime_ns for path in predictions.rglob("*.png"))
    first = len(times) // 10
    if len(times) - first < 2:
        raise InputError(f"{predictions}: contains {len(times)} predictions; expected at least 2, so use more images")
    return (times[-1] - times[first]) / 1e9 / (len(times) - 1 - first)


def _populate(workspace: _Workspace, samples: Path, many: int, few: int) -> None:
    """Write a test split, in which images appear under several names, and random weights."""
    scenes = [scene for split in ("train", "val") for scene in scenes_with_image(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: contains no images; pass a folder with cityscapes/leftImg8bit as --samples")
    for name, images in ((OURS, many), (ORIGINAL, few)):
        folder = workspace.root(name) / "leftImg8bit" / "test" / "berlin"
        folder.mkdir(parents=True)
        for number in range(images):
            copy = folder / f"berlin_{number:06}_000019_leftImg8bit.png"
            if number < len(scenes):
                shutil.copyfile(scenes[number].image(samples), copy)
            else:  # a second name for the same file, which the page cache holds in any case
                os.link(folder / f"berlin_{number % len(scenes):06}_000019_leftImg8bit.png", copy)
    torch.manual_seed(0)
    network = catalogue.network("fcn8s", 19)
    torch.save(network.state_dict(), workspace.weights)


def _agreement(workspace: _Workspace) -> float | None:
    """Share of equal pixels in our predictions and those of the original loop; None if they have no image in common."""
    ours = {path.name: path for path in workspace.predictions(OURS).rglob("*.png")}
    paths = [path for path in workspace.predictions(ORIGINAL).rglob("*.png") if path.name in ours]
    shares = [float((read_ids(path) == read_ids(ours[path.name])).mean()) for path in sorted(paths)]
    return statistics.mean(shares) if shares else None
