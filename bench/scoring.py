"""Scoring, side by side with the official scorer: whole processes on masks of full size.

The scenes are the real samples under several names. The predictions are their masks, shifted by a few pixels.
"""

import json
import math
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import race
from cityscapes.layout import Scene, scenes_with_label_ids
from engine.errors import InputError
from engine.files.images import read_ids, write_png

_OFFICIAL = """
import os, sys, warnings
import numpy
numpy.in1d = numpy.isin  # removed from NumPy; the official scorer needs nothing else to run
warnings.simplefilter("ignore")
sys.argv = sys.argv[:1]
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scorer
scorer.main()
"""
_DECODE = """
import sys
from pathlib import Path
from cityscapes.layout import scenes_with_label_ids
from cityscapes.predictions import find
from engine.files.images import read_ids
root, predictions = map(Path, sys.argv[1:])
found = find(predictions)
for scene in scenes_with_label_ids(root, "val"):
    read_ids(found.by_stem[scene.stem][0])
    for kind in ("labelIds", "instanceIds"):
        read_ids(scene.official_mask(root, kind))
"""


@dataclass(frozen=True)
class _Workspace:
    """Folder with the scenes, the predictions and all results."""

    path: Path

    @property
    def root(self) -> Path:
        return self.path / "data"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def output(self, name: str) -> Path:
        """File that a contender writes its scores to."""
        return self.path / name / "scores.json"

    def contenders(self) -> dict[str, list[str]]:
        """Name -> arguments of the Python process."""
        files = ["--predictions", str(self.predictions), "--root", str(self.root)]
        commands = {
            f"{workers} worker{'s' * (workers > 1)}": ["-m", "cityscapes.scoring", *files, "--workers", str(workers)]
            for workers in (1, 2)
        }
        return {
            "official": ["-c", _OFFICIAL],
            **{name: [*arguments, "--output", str(self.output(name))] for name, arguments in commands.items()},
            "decoding alone": ["-c", _DECODE, str(self.root), str(self.predictions)],
        }


def run(samples: Path, images: int = 200, rounds: int = 5) -> dict[str, Any]:
    """Time all contenders in turn on the same files, and compare their scores.

    Raises:
        InputError: if there are no real masks, a contender fails, or a score of the official scorer is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = _Workspace(Path(folder))
        workspace.output("official").parent.mkdir()
        _populate(workspace, samples / "cityscapes", images)
        contenders = workspace.contenders()
        places = {
            "CITYSCAPES_DATASET": str(workspace.root),
            "CITYSCAPES_RESULTS": str(workspace.predictions),
            "CITYSCAPES_EXPORT_DIR": str(workspace.output("official").parent),
        }
        seconds = race.time_in_turn(contenders, rounds, environment=places)
        difference = max(_difference(workspace, name) for name in contenders if workspace.output(name).is_file())
    return {
        "what": "score full-size triples of prediction, labelIds and instanceIds; whole processes in turn",
        "images": images,
        "rounds": rounds,
        "median_seconds": {name: round(statistics.median(times), 2) for name, times in seconds.items()},
        "times_as_fast_as_official": race.speedups(seconds, "official"),
        "largest_difference": difference,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<22} {seconds:7.2f} s  {1e3 * seconds / record['images']:6.1f} ms per image  "
        f"{record['times_as_fast_as_official'][name]:5.2f} x"
        for name, seconds in record["median_seconds"].items()
    ]
    return "\n".join([f"{record['images']} scenes of full size, medians of {record['rounds']} rounds", *rows])


def _populate(workspace: _Workspace, samples: Path, images: int) -> None:
    scenes = [scene for split in ("train", "val") for scene in scenes_with_label_ids(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: no real masks to score; pass a folder with cityscapes/gtFine as --samples")
    rng = np.random.default_rng(0)
    for number in range(images):
        real = scenes[number % len(scenes)]
        scene = Scene("val", real.city, f"{real.city}_{number:06}_000019")
        for kind in ("labelIds", "instanceIds"):
            copy = scene.official_mask(workspace.root, kind)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real.official_mask(samples, kind), copy)
        label_ids = read_ids(real.official_mask(samples, "labelIds"))
        shift = rng.integers(-8, 9, 2)
        write_png(workspace.predictions / f"{scene.stem}.png", np.roll(label_ids, tuple(shift), (0, 1)))


def _difference(workspace: _Workspace, name: str) -> float:
    """Largest difference of any score from the official one."""
    official = next(workspace.output("official").parent.glob("*.json"))
    theirs, ours = (_figures(json.loads(path.read_text())) for path in (official, workspace.output(name)))
    if missing := theirs.keys() - ours.keys():
        raise InputError(f"{name}: lacks scores of the official scorer: {sorted(missing)}")
    both = [(value, ours[key]) for key, value in theirs.items()]
    return max(abs(official - ours) for official, ours in both if not math.isnan(official) or not math.isnan(ours))


def _figures(content: Any, key: str = "") -> dict[str, float]:
    """All numbers of a result file, by their path in it."""
    if isinstance(content, Mapping):
        items = [(str(name), value) for name, value in content.items()]
    elif isinstance(content, list):
        items = [(str(place), value) for place, value in enumerate(content)]
    else:
        return {key: float(content)}
    return {place: figure for name, value in items for place, figure in _figures(value, f"{key}/{name}").items()}
