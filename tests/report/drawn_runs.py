"""Drawn folders of runs and results, for tests and measurements of the report: `python -m tests.report.drawn_runs`.

They have the form that the commands write, and scores that follow from drawn predictions, but nothing is trained. The
same options give the same files, except for times.
"""

import argparse
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityscapes import submission
from cityscapes.demo import DemoOptions, draw_dataset
from cityscapes.labels import TRAIN_ID_OF
from cityscapes.layout import Scene, scenes_with_label_ids
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.pixel import images as image_counts
from cityscapes.scoring.pixel.counts import Counts
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.scoring.pixel.result import ScoringResult
from cityscapes.scoring.pixel.scores import scores_of
from engine.benchmark import Sample
from engine.cli.options import size
from engine.files.atomic import write_json
from engine.files.images import read_ids, write_png
from tests.report import drawn_hostile, drawn_predictions, drawn_records, drawn_tasks

_DISTINCT = 24
"""Number of scenes that are drawn; further ones are links to their files under other names."""
_WORST = 0.45
"""Quality of the worst predictions, from 0 to 1."""


@dataclass(frozen=True)
class Options:
    """What to draw."""

    runs: int = 3
    """Number of runs on Cityscapes, each with scores of the val split."""
    images: int = 6
    """Number of images in the val split."""
    height: int = 64
    """Height of the images in pixels."""
    width: int = 128
    """Width of the images in pixels."""
    pictured: int = 2
    """Number of these runs that have prediction files."""
    submission: bool = True
    """Whether the first run has predictions and an archive of the test split, and predictions of a folder of images."""
    tasks: bool = False
    """Whether there are results of the instance and panoptic tasks, and of KITTI Road."""
    camvid: bool = False
    """Whether there are two runs on CamVid with predictions."""
    unfinished: bool = False
    """Whether there is a run that is still being trained."""
    damaged: bool = False
    """Whether there are runs and results with damaged files."""
    hostile: bool = False
    """Whether there are runs whose names, options and classes are HTML, scripts and templates."""
    workers: int = 1
    """Number of processes."""


@dataclass(frozen=True)
class Drawn:
    """Folders of drawn files."""

    saved: Path
    outputs: Path
    data: Path
    """Folder of the data sets: `cityscapes`, and `camvid` if it was drawn."""

    @property
    def folders(self) -> list[Path]:
        """The folders to give to the report."""
        return [self.saved, self.outputs, self.data]


def draw(folder: Path, options: Options | None = None) -> Drawn:
    """Draw runs, results and data sets into an empty folder."""
    options = options or Options()
    drawn = Drawn(folder / "saved", folder / "outputs", folder / "data")
    root = drawn.data / "cityscapes"
    distinct, tests = min(options.images, _DISTINCT), 3 if options.submission else 0
    draw_dataset(root, DemoOptions(options.width, options.height, 0, distinct, tests), workers=options.workers)
    _draw_train_ids(root)
    scenes = _repeated(root, scenes_with_label_ids(root, "val"), options.images)
    stems = [scene.stem for scene in scenes]

    names = [f"{_network(number)}-{number:02}" for number in range(options.runs)]
    qualities = [_WORST + 0.5 * (number + 1) / (options.runs + 1) for number in range(options.runs)]
    _draw_results(drawn, root, scenes, names, qualities, options)
    write_json(drawn.outputs / "profile.json", [drawn_records.network_profile(name) for name in drawn_records.NETWORKS])
    drawn_records.write_agreement(root / "generated_gt" / "agreement.csv", stems)
    if options.submission and names:
        _draw_test_results(drawn, root, names[0])
    if options.tasks:
        image_size = (options.width, options.height)
        write_json(drawn.outputs / "instances" / "scores.json", drawn_tasks.instance_scores(stems, image_size, 0.6))
        write_json(drawn.outputs / "instances" / "before.json", drawn_tasks.instance_scores(stems, image_size, 0.5))
        write_json(drawn.outputs / "panoptic" / "scores.json", drawn_tasks.panoptic_scores(stems, image_size, 0.7))
        write_json(drawn.outputs / "panoptic" / "before.json", drawn_tasks.panoptic_scores(stems, image_size, 0.5))
        road = drawn_tasks.road_scores(0.91)
        write_json(drawn.outputs / "kitti-road" / "train" / "scores.json", {"image": road, "bev": road})
    if options.camvid:
        _draw_camvid(drawn, root, scenes[:6])
    if options.unfinished:
        _draw_run(drawn, root, "unfinished", 1, [0.5] * len(NAMES), epochs=12, done=5)
    if options.damaged:
        drawn_hostile.damage(drawn.saved, drawn.outputs)
    if options.hostile:
        drawn_hostile.hostile(drawn.saved, drawn.outputs, root)
    return drawn


def _network(number: int) -> str:
    return list(drawn_records.NETWORKS)[number % len(drawn_records.NETWORKS)]


def _draw_train_ids(root: Path) -> None:
    """Draw the masks that the benchmark reads, which generate_gt.py would draw from the polygons."""
    for scene in scenes_with_label_ids(root, "val"):
        write_png(scene.generated_mask(root, "trainId"), TRAIN_ID_OF[read_ids(scene.official_mask(root, "labelIds"))])


def _repeated(root: Path, scenes: Sequence[Scene], number: int) -> list[Scene]:
    """That many scenes: the given ones, and links to their files under other names."""
    found = list(scenes)
    for copy in range(number - len(scenes)):
        scene = scenes[copy % len(scenes)]
        again = Scene(scene.split, scene.city, f"{scene.city}_{copy:06}_000099")
        paths = [(one.image(root), one.polygons(root), one.generated_mask(root, "trainId")) for one in (scene, again)]
        masks = [tuple(one.official_mask(root, kind) for kind in ("labelIds", "instanceIds")) for one in (scene, again)]
        for there, here in zip(paths[0] + masks[0], paths[1] + masks[1], strict=True):
            os.link(there, here)
        found.append(again)
    return sorted(found, key=lambda scene: scene.stem)


def _draw_results(
    drawn: Drawn,
    root: Path,
    scenes: Sequence[Scene],
    names: Sequence[str],
    qualities: Sequence[float],
    options: Options,
) -> None:
    folders = [drawn.outputs / name / "val" / "predictions" for name in names[: options.pictured]]
    wanted = [(None, _WORST), *zip(folders, qualities, strict=False)]
    counted = drawn_predictions.draw(root, scenes, wanted, options.workers)
    coverage = drawn_tasks.coverage([scene.stem for scene in scenes], (options.width, options.height))
    samples = [Sample(f"{scene.city}/{scene.stem}", scene.image(root), None) for scene in scenes]
    for number, (name, quality) in enumerate(zip(names, qualities, strict=True)):
        if number < options.pictured:
            counts = [image.counts[number + 1] for image in counted]
        else:
            rng = np.random.default_rng([23, number])
            share = (1 - quality) / (1 - _WORST)
            counts = [drawn_predictions.better(image.counts[0], share, rng) for image in counted]
        result = _result([image.stem for image in counted], counts, coverage)
        ious = [result.scores.classes[label] for label in NAMES]
        _draw_run(drawn, root, name, number, [None if np.isnan(iou) else iou for iou in ious])
        folder = drawn.outputs / name / "val"
        write_json(folder / "scores.json", result.to_json())
        write_record(folder, drawn.saved / name / "best.pth", {"root": str(root), "split": "val"}, samples)
        size_text = f"{options.width}x{options.height}"
        write_json(folder / "profile.json", drawn_records.stage_profile(_network(number), size_text, number))


def _result(stems: Sequence[str], counts: Sequence[Counts], coverage: Coverage) -> ScoringResult:
    total = counts[0]
    for of_image in counts[1:]:
        total = total.plus(of_image)
    images = (image_counts.count(stem, of.confusion) for stem, of in zip(stems, counts, strict=True))
    return ScoringResult(scores_of(total), tuple(images), None, coverage)


def _draw_run(
    drawn: Drawn,
    root: Path,
    name: str,
    number: int,
    ious: Sequence[float | None],
    *,
    epochs: int = 12,
    done: int | None = None,
    **more: Any,
) -> None:
    more = {"network": _network(number), "epochs": epochs, **more}
    options = drawn_records.config(name, root, number=number, **more)
    rows = drawn_records.history(epochs, options["learning_rate"], ious, number)
    started = drawn_records.environment(number, "train_fcn.py", "--root", "cityscapes", "--name", name)
    drawn_records.write_run(drawn.saved / name, options, started, rows[:done])


def write_record(folder: Path, weights: Path, source: dict[str, str], samples: Sequence[Sample], **more: Any) -> None:
    """Write predictions.json of test_fcn.py."""
    origin = {
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "benchmark": "cityscapes",
        "precision": "32-true",
        "compiled": False,
        "engine": "openvino",
        "kernels": "auto",
        "scales": [1.0],
        "flip": False,
        "window": 0,
        "resize": None,
        "memory_budget": 0,
        **more,
    }
    images = {
        sample.name: f"{sample.image.stat().st_size} bytes, changed at {sample.image.stat().st_mtime_ns} ns"
        for sample in samples
    }
    write_json(folder / "predictions.json", {"origin": origin, "source": source, "images": images})


def _draw_test_results(drawn: Drawn, root: Path, name: str) -> None:
    """Draw the predictions and the archive of the test split, and predictions of a folder of images."""
    images = sorted((root / "leftImg8bit" / "test").glob("*/*.png"))
    for folder, cut in (("test", "_leftImg8bit"), ("images", "")):
        names = [f"{path.parent.name}/{path.stem.removesuffix(cut)}" for path in images]
        samples = [Sample(sample, path, None) for sample, path in zip(names, images, strict=True)]
        place = drawn.outputs / name / folder
        drawn_predictions.draw_anything(samples, place / "predictions")
        source = {"images": str(root / "leftImg8bit" / "test")} if not cut else {"root": str(root), "split": "test"}
        write_record(place, drawn.saved / name / "best.pth", source, samples)
    made_with = {"weights_sha256": "0" * 64, "benchmark": "cityscapes", "commit": drawn_records.COMMITS[0]}
    place = drawn.outputs / name / "test"
    submission.pack(place / "predictions", place / "submission.zip", root, task="pixel", made_with=made_with)


def _draw_camvid(drawn: Drawn, root: Path, scenes: Sequence[Scene]) -> None:
    samples = drawn_tasks.write_camvid(drawn.data / "camvid", scenes, root)
    for number, (name, quality) in enumerate({"camvid-fcn8s": 0.6, "camvid-unet": 0.8}.items()):
        folder = drawn.outputs / name / "val"
        scores = drawn_tasks.camvid_scores(samples, folder / "predictions", quality)
        ious = [of_class["iou"] for of_class in scores["classes"].values()]
        place = drawn.data / "camvid"
        _draw_run(drawn, place, name, number, ious, benchmark="camvid", network=name.partition("-")[2])
        write_json(folder / "scores.json", scores)
        source = {"root": str(place), "split": "val"}
        write_record(folder, drawn.saved / name / "best.pth", source, samples, benchmark="camvid")


def main() -> None:
    """Draw into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=Options.runs)
    parser.add_argument("--images", type=int, default=Options.images)
    parser.add_argument("--size", default=f"{Options.height}x{Options.width}", help="height x width")
    parser.add_argument("--pictured", type=int, default=Options.pictured)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    for part in ("tasks", "camvid", "unfinished", "damaged", "hostile"):
        parser.add_argument(f"--{part}", action="store_true")
    chosen = vars(parser.parse_args())
    height, width = size(chosen.pop("size"), "--size")
    drawn = draw(chosen.pop("folder"), Options(height=height, width=width, **chosen))
    print(*drawn.folders)


if __name__ == "__main__":
    main()
