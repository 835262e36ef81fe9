"""Scoring, side by side with the official scorer: whole processes on masks of full size.

The scenes are those of the real samples under several names, and the predictions their masks with errors.
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityscapes.layout import Scene, labelled_scenes
from engine import environment
from engine.faults import InputError, command
from engine.files import write_json
from engine.images import read_ids, write_png
from engine.options import tool_parser

_REPOSITORY = Path(__file__).resolve().parents[1]
_OFFICIAL = """
import os, sys, warnings
import numpy
numpy.in1d = numpy.isin  # gone from NumPy, and the one thing that the official scorer cannot run without
warnings.simplefilter("ignore")
sys.argv = sys.argv[:1]
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scorer
scorer.main()
"""
_PILLOW = "import engine.png; engine.png.FAST = False; from cityscapes.scoring import main; raise SystemExit(main())"
_DECODE = """
import sys
from pathlib import Path
from cityscapes.layout import labelled_scenes
from cityscapes.predictions import find
from engine.images import read_ids
root, predictions = map(Path, sys.argv[1:])
found = find(predictions)
for scene in labelled_scenes(root, "val"):
    read_ids(found.by_stem[scene.stem][0])
    for kind in ("labelIds", "instanceIds"):
        read_ids(scene.official_mask(root, kind))
"""


@dataclass(frozen=True)
class _Stage:
    """A folder with everything that is scored."""

    path: Path

    @property
    def root(self) -> Path:
        return self.path / "data"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def output(self, name: str) -> Path:
        """Where a contender writes its figures."""
        return self.path / name / "scores.json"

    def contenders(self) -> dict[str, list[str]]:
        """Name -> arguments of the Python process."""
        files = ["--predictions", str(self.predictions), "--root", str(self.root)]
        ours = {
            f"{workers} worker{'s' * (workers > 1)}": ["-m", "cityscapes.scoring", *files, "--workers", str(workers)]
            for workers in (1, 2)
        }
        commands = {**ours, "1 worker, Pillow only": ["-c", _PILLOW, *files, "--workers", "1"]}
        return {
            "official": ["-c", _OFFICIAL],
            **{name: [*words, "--output", str(self.output(name))] for name, words in commands.items()},
            "decoding alone": ["-c", _DECODE, str(self.root), str(self.predictions)],
        }


def run(samples: Path, images: int = 500, rounds: int = 5) -> dict[str, Any]:
    """Time all contenders in turn, round after round, so that what else the machine does meets all of them.

    Returns:
        The medians over the rounds: seconds of each contender, and how many times the official scorer needs that.

    Raises:
        InputError: if there are no real masks, a contender fails or the figures differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = _Stage(Path(folder))
        stage.output("official").parent.mkdir()
        _populate(stage, samples, images)
        contenders = stage.contenders()
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        cpu_seconds: dict[str, list[float]] = {name: [] for name in contenders if name != "2 workers"}
        for _ in range(rounds):
            for name, words in contenders.items():
                wall, cpu = _timed(words, stage)
                seconds[name].append(wall)
                if name in cpu_seconds:  # the processes of two workers are nobody's children here
                    cpu_seconds[name].append(cpu)
        difference = max(_difference(stage, name) for name in contenders if stage.output(name).is_file())
    return {**_record(seconds, cpu_seconds), "images": images, "rounds": rounds, "largest_difference": difference}


def _populate(stage: _Stage, samples: Path, images: int) -> None:
    scenes = [scene for split in ("train", "val") for scene in labelled_scenes(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: no real masks to score; give a Cityscapes folder with gtFine as --samples")
    rng = np.random.default_rng(0)
    for number in range(images):
        real = scenes[number % len(scenes)]
        scene = Scene("val", real.city, f"{real.city}_{number:06}_000019")
        for kind in ("labelIds", "instanceIds"):
            copy = scene.official_mask(stage.root, kind)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real.official_mask(samples, kind), copy)
        label_ids = read_ids(real.official_mask(samples, "labelIds"))
        shift = rng.integers(-8, 9, 2)
        write_png(stage.predictions / f"{scene.stem}.png", np.roll(label_ids, tuple(shift), (0, 1)))


def _timed(words: Sequence[str], stage: _Stage) -> tuple[float, float]:
    """The seconds that a whole process takes, by the clock and of the CPU."""
    places = {
        "CITYSCAPES_DATASET": str(stage.root),
        "CITYSCAPES_RESULTS": str(stage.predictions),
        "CITYSCAPES_EXPORT_DIR": str(stage.output("official").parent),
    }
    before, started = _cpu(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words],
        cwd=_REPOSITORY,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started, _cpu() - before
    if done.returncode:
        raise InputError(f"{' '.join(words)[:200]}: ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    return seconds


def _cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _difference(stage: _Stage, name: str) -> float:
    """The largest difference of any figure from the official ones."""
    official = next(stage.output("official").parent.glob("*.json"))
    theirs, ours = (_figures(json.loads(path.read_text())) for path in (official, stage.output(name)))
    if missing := theirs.keys() - ours.keys():
        raise InputError(f"{name}: lacks figures of the official scorer: {sorted(missing)}")
    both = [(value, ours[key]) for key, value in theirs.items()]
    return max(abs(value - own) for value, own in both if not math.isnan(value) or not math.isnan(own))


def _figures(content: Any, key: str = "") -> dict[str, float]:
    """Every number of a result file by its place in it."""
    if isinstance(content, Mapping):
        items = [(str(name), value) for name, value in content.items()]
    elif isinstance(content, list):
        items = [(str(place), value) for place, value in enumerate(content)]
    else:
        return {key: float(content)}
    return {place: figure for name, value in items for place, figure in _figures(value, f"{key}/{name}").items()}


def _record(seconds: Mapping[str, Sequence[float]], cpu_seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {
        "what": "score full-size triples of prediction, labelIds and instanceIds; whole processes in turn",
        "seconds": {name: [round(value, 3) for value in times] for name, times in seconds.items()},
        "median_seconds": {name: round(statistics.median(times), 3) for name, times in seconds.items()},
        "times_as_fast_as_official": _ratios(seconds),
        "median_cpu_seconds": {name: round(statistics.median(times), 3) for name, times in cpu_seconds.items()},
        "official_cpu_time_over_ours": _ratios(cpu_seconds),
        "load_average": os.getloadavg()[
            2
        ],  # over 15 minutes: two workers gain nothing where others keep the cores busy
        "environment": environment.describe(),
    }


def _ratios(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median over the rounds of the official scorer's time over that of each other contender."""
    return {
        name: round(statistics.median(a / b for a, b in zip(seconds["official"], times, strict=True)), 2)
        for name, times in seconds.items()
        if name != "official"
    }


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and record."""
    parser = tool_parser(
        "bench.scoring",
        "Time cityscapes.scoring and the official scorer on the same files.",
        ["python -m bench.scoring --output docs/results/scoring.json"],
    )
    parser.add_argument("--samples", type=Path, default=_samples(), help="Cityscapes folder with real masks")
    parser.add_argument("--images", type=int, default=500, help="scenes to score (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the record here, as JSON")
    options = parser.parse_args(argv)
    record = run(options.samples, options.images, options.rounds)
    for name, seconds in record["median_seconds"].items():
        ratio = record["times_as_fast_as_official"].get(name, 1.0)
        cpu = record["official_cpu_time_over_ours"].get(name)
        print(
            f"{name:<22} {seconds:7.2f} s  {1e3 * seconds / options.images:6.1f} ms an image  {ratio:5.2f} x"
            + (f"  {cpu:5.2f} x of CPU time" if cpu else "")
        )
    if options.output is not None:
        write_json(options.output, record)
    return 0


def _samples() -> Path:
    folder = Path(os.environ.get("SEGMENTATION_DATA", _REPOSITORY.parent / "shared" / "data"))
    return folder / "cityscapes"


if __name__ == "__main__":
    raise SystemExit(main())
