"""Drawn results of the other tasks and benchmarks: instances, panoptic, KITTI Road and CamVid."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camvid.labels import SEGNET
from camvid.scoring import CONFIGS, SUFFIX
from cityscapes.labels import LABELS
from cityscapes.layout import Scene
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.instance.average_precision import Detections, ImageDetections
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import InstanceResult
from cityscapes.scoring.panoptic.matching import NAMES, PanopticCounts
from cityscapes.scoring.panoptic.result import PanopticResult
from engine import scoring
from engine.benchmark import Sample
from engine.files.atomic import write_bytes, write_text
from engine.files.images import read_ids, write_png
from kitti_road import result as road
from kitti_road.measures import RoadScores
from tests.report.drawn_predictions import predict

_CAMVID = {
    "sky": "sky",
    "building": "building",
    "wall": "building",
    "pole": "pole",
    "road": "road",
    "sidewalk": "pavement",
    "vegetation": "tree",
    "traffic sign": "sign symbol",
    "fence": "fence",
    "car": "car",
    "truck": "car",
    "person": "pedestrian",
    "rider": "bicyclist",
    "bicycle": "bicyclist",
}
"""Label of Cityscapes -> class of CamVid; all other labels are void."""


def coverage(stems: Sequence[str], size: tuple[int, int]) -> Coverage:
    """Coverage of the val split of Cityscapes by these scenes, of this width and height."""
    return Coverage.of("val", stems, Counter({size: len(stems)}), 0)


def instance_scores(stems: Sequence[str], size: tuple[int, int], quality: float) -> dict[str, Any]:
    """Result of `python -m cityscapes.scoring --task instance`."""
    rng = np.random.default_rng(13)
    images = tuple(ImageDetections(stem, tuple(_detections(rng, quality) for _ in CLASSES)) for stem in stems)
    confusion = rng.integers(0, 4, (10, 9))
    confusion[:8, :8] += np.diag(rng.integers(20, 80, 8))
    return InstanceResult(images, confusion, coverage(stems, size)).to_json()


def _detections(rng: np.random.Generator, quality: float) -> Detections:
    number = int(rng.integers(0, 5))
    outcomes = (rng.random((number, 1)) < quality - np.arange(10) * 0.05).astype(np.int8)
    return Detections(np.round(rng.uniform(0.3, 1, number), 6), outcomes, number + int(rng.integers(0, 2)))


def panoptic_scores(stems: Sequence[str], size: tuple[int, int], quality: float) -> dict[str, Any]:
    """Result of `python -m cityscapes.scoring --task panoptic`."""
    rng, number = np.random.default_rng(17), len(NAMES)
    images = []
    for stem in stems:
        found = rng.integers(0, 4, number)
        iou = found * rng.uniform(0.5 + quality / 4, 0.5 + quality / 2, number)
        images.append(PanopticCounts(stem, iou, found, rng.integers(0, 3, number), rng.integers(0, 3, number)))
    return PanopticResult(tuple(images), coverage(stems, size)).to_json()


def road_scores(quality: float) -> dict[str, Any]:
    """Result of `python -m kitti_road.scoring`."""
    pixels = {"TP": 90_000, "FP": 6_000, "FN": 9_000, "TN": 400_000}
    scores = RoadScores(quality, quality - 0.05, 131, quality + 0.01, quality - 0.01, 0.02, 1.01 - quality, pixels)
    return road.to_json({"um_road": scores, "uu_road": scores, "urban_road": scores}, "train", "bev")


def write_camvid(root: Path, scenes: Sequence[Scene], cityscapes: Path) -> list[Sample]:
    """Write CamVid's val split with 11 classes in SegNet's layout, from scenes of the other data set."""
    base, ids = root / "CamVid", np.full(256, 11, np.uint8)
    for label in LABELS:
        if label.name in _CAMVID:
            ids[label.id] = SEGNET.names.index(_CAMVID[label.name])
    samples = []
    for number, scene in enumerate(scenes):
        name = f"0016E5_{number:05}"
        image, mask = base / "val" / f"{name}.png", base / "valannot" / f"{name}.png"
        write_bytes(image, scene.image(cityscapes).read_bytes())
        write_png(mask, ids[read_ids(scene.official_mask(cityscapes, "labelIds"))])
        samples.append(Sample(name, image, mask))
    listed = (f"/SegNet/CamVid/val/{sample.name}.png /SegNet/CamVid/valannot/{sample.name}.png\n" for sample in samples)
    write_text(base / "val.txt", "".join(listed))
    return samples


def camvid_scores(samples: Sequence[Sample], predictions: Path, quality: float) -> dict[str, Any]:
    """Draw predictions of CamVid, score them, and return the result of `python -m camvid.scoring`."""
    for number, sample in enumerate(samples):
        assert sample.mask is not None
        mask = CONFIGS["camvid"].read_mask(sample.mask)
        known = np.where(mask == SEGNET.void, SEGNET.names.index("building"), mask).astype(np.uint8)
        drawn = predict(known, range(len(SEGNET)), quality, [19, number])
        write_png(predictions / f"{sample.name}{SUFFIX}", drawn)
    return scoring.score(CONFIGS["camvid"], samples, predictions, official=101).to_json()
