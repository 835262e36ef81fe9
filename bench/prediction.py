"""Prediction from PNG to PNG, side by side with the ancestor's loop: whole processes on real images of full size."""

import shutil
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import catalogue
from bench import contest
from cityscapes.layout import pictured_scenes
from engine.faults import InputError
from engine.images import read_ids

_FORWARD = """
import sys
from pathlib import Path
import torch
import catalogue
from engine.inference import Forward
from engine.place import find_place
from engine.prediction import Predictor
benchmark = catalogue.benchmark("cityscapes")
network, about = catalogue.load_network_for(benchmark, Path(sys.argv[1]))
predictor = Predictor(Forward(find_place("auto", "auto"), network, about, benchmark))
paths = sorted(Path(sys.argv[2]).rglob("*.png"))
image = predictor.transfer(predictor.decode(paths[0]))
for _ in paths:
    predictor.fetch(predictor.forward(image))
"""
_PNG = """
import sys
from pathlib import Path
from engine.images import read_image, write_png
for path in sorted(Path(sys.argv[1]).rglob("*.png")):
    write_png(Path(sys.argv[2]) / path.name, read_image(path)[..., 0] // 16)
"""


@dataclass(frozen=True)
class _Stage:
    """A folder with everything that is predicted."""

    path: Path

    @property
    def root(self) -> Path:
        return self.path / "data"

    @property
    def weights(self) -> Path:
        return self.path / "fcn8s.pth"

    def predictions(self, name: str) -> Path:
        """Where a contender writes."""
        return {"ours": self.path / "out" / "fcn8s" / "test" / "predictions"}.get(name, self.path / name)

    def contenders(self) -> dict[str, list[str]]:
        """Name -> arguments of the Python process."""
        files = [str(self.weights), str(self.root)]
        ours = ["--root", str(self.root), "--output", str(self.path / "out"), "--profile_images", "0"]
        return {
            "ancestor": ["-m", "bench.ancestor_way", *files, str(self.predictions("ancestor"))],
            "our forward alone": ["-c", _FORWARD, *files],
            "PNGs alone": ["-c", _PNG, str(self.root), str(self.predictions("PNGs alone"))],
            # Last, so that its predictions of the last round are still there.
            "ours": ["test_fcn.py", "--model_weights_path", str(self.weights), *ours],
        }

    def clear(self) -> None:
        """Remove our predictions, else a rerun would keep them; the others write theirs anew."""
        shutil.rmtree(self.predictions("ours"), ignore_errors=True)


def run(samples: Path, images: int = 24, rounds: int = 3) -> dict[str, Any]:
    """Time all contenders in turn on the same images, and hold their predictions against each other.

    Raises:
        InputError: if there are no real images, or a contender fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = _Stage(Path(folder))
        _populate(stage, samples / "cityscapes", images)
        seconds = contest.hold(stage.contenders(), rounds, stage.clear)
        agreement = _agreement(stage)
    ratios = contest.ratios(seconds, "ancestor")
    slowest = [max(stages) for stages in zip(seconds["our forward alone"], seconds["PNGs alone"], strict=True)]
    return {
        "what": "2048x1024 PNGs to label-id PNGs with FCN-8s, start of the process included; ours also packs the zip",
        "images": images,
        "rounds": rounds,
        "median_seconds": {name: round(statistics.median(times), 2) for name, times in seconds.items()},
        "times_as_fast_as_ancestor": {"ours": ratios["ours"]},
        "times_the_slowest_stage": round(
            statistics.median(ours / alone for ours, alone in zip(seconds["ours"], slowest, strict=True)), 2
        ),
        "equal_pixels": agreement,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<20} {seconds:7.2f} s  {1e3 * seconds / record['images']:7.1f} ms an image"
        for name, seconds in record["median_seconds"].items()
    ]
    return "\n".join(
        [
            f"{record['images']} images of full size, medians of {record['rounds']} rounds",
            *rows,
            f"  {record['times_as_fast_as_ancestor']['ours']} times as fast as the ancestor's loop, "
            f"{record['times_the_slowest_stage']} times the slowest stage alone, "
            f"{record['equal_pixels']:.4%} of the pixels equal",
        ]
    )


def _populate(stage: _Stage, samples: Path, images: int) -> None:
    """Real images under several names as a test split, and weights that tell pixels apart."""
    scenes = [scene for split in ("train", "val") for scene in pictured_scenes(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: no real images; give a folder with cityscapes/leftImg8bit as --samples")
    for number in range(images):
        name = f"berlin_{number:06}_000019_leftImg8bit.png"
        copy = stage.root / "leftImg8bit" / "test" / "berlin" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scenes[number % len(scenes)].image(samples), copy)
    torch.manual_seed(0)
    network = catalogue.network("fcn8s", 19)
    torch.save(network.state_dict(), stage.weights)


def _agreement(stage: _Stage) -> float:
    """Share of pixels on which the predictions are the same."""
    paths = sorted(stage.predictions("ancestor").rglob("*.png"))
    pairs = [(read_ids(path), read_ids(next(stage.predictions("ours").rglob(path.name)))) for path in paths]
    return sum(float((theirs == ours).mean()) for theirs, ours in pairs) / len(pairs)
