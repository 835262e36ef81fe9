"""Drawn predictions of a data set: masks with errors like those of a network, and their pixel counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cityscapes.labels import LABELS
from cityscapes.layout import Scene
from cityscapes.scoring.pixel import counts as pixel_counts
from cityscapes.scoring.pixel.counts import Counts, Masks, Pair
from engine.arrays import Float64Array, UInt8Array
from engine.benchmark import Sample
from engine.errors import InputError
from engine.files.images import image_size, read_ids, write_png
from engine.parallel import parallel_map

SUFFIX = "_labelId_preds.png"
SCORED = [label.id for label in LABELS if not label.ignore_in_eval]
"""Label ids that a network predicts."""
_PREDICTED = np.array([label_id if label_id in SCORED else 11 for label_id in range(34)], np.uint8)
"""Label id in the ground truth -> label id that a perfect network predicts there."""
_CELL = 32
"""Width of the largest errors, in parts of the width of the image."""


class Drawn(NamedTuple):
    """Pixel counts of an image, one for each quality."""

    stem: str
    counts: tuple[Counts, ...]


class Job(NamedTuple):
    """Predictions to draw of one scene: a folder, or None to count only, and a quality from 0 to 1 for each."""

    root: Path
    scene: Scene
    number: int
    results: tuple[tuple[Path | None, float], ...]


def draw(
    root: Path, scenes: Sequence[Scene], results: Sequence[tuple[Path | None, float]], workers: int
) -> list[Drawn]:
    """Draw the predictions of all scenes, write those that have a folder, and count the pixels of all."""
    jobs = [Job(root, scene, number, tuple(results)) for number, scene in enumerate(scenes)]
    found = []
    for _, drawn in parallel_map(_of_scene, jobs, workers=workers, title="predictions"):
        if isinstance(drawn, InputError):
            raise drawn
        found.append(drawn)
    return found


def predict(ids: UInt8Array, classes: Sequence[int], quality: float, seed: Sequence[int]) -> UInt8Array:
    """(H, W) prediction: the ids with moved boundaries, and with blobs of other classes.

    The better the quality, from 0 to 1, the fewer errors; a better prediction has a part of the errors of a worse one.
    """
    rng = np.random.default_rng(seed)
    height, width = ids.shape
    noise = _smooth(rng.random((2 + 4, 2 + 8)), height, width)
    detail = _smooth(rng.random((_CELL // 2 + 2, _CELL + 2)), height, width)
    others = rng.choice(classes, (4, 8)).astype(np.uint8)
    other = np.asarray(Image.fromarray(others).resize((width, height), Image.Resampling.NEAREST))
    wrong = noise + detail > 0.9 + 0.5 * quality
    shift = max(1, round(width / 400 * (1 - quality)))
    return np.where(wrong, other, np.roll(ids, (shift, -shift), (0, 1)))


def better(worst: Counts, share: float, rng: np.random.Generator) -> Counts:
    """Counts of a better prediction than `worst`: of each wrong pixel count, only about `share` stays wrong."""
    rows = np.clip(share * rng.uniform(0.7, 1.3, (34, 1)), 0, 1)
    wrong = np.floor(worst.confusion * rows).astype(np.int64)
    np.fill_diagonal(wrong, 0)
    confusion = wrong + np.diag(worst.confusion.sum(1) - wrong.sum(1))
    # The weighted pixels of instances grow like the found pixels of their class.
    before = np.maximum(worst.confusion.diagonal(), 1)
    factor = np.minimum(confusion.diagonal() / before, worst.confusion.sum(1) / before)
    hits = worst.hits * factor
    return Counts(confusion, worst.instances, hits, np.maximum(hits, worst.category_hits))


def _smooth(noise: Float64Array, height: int, width: int) -> Float64Array:
    picture = Image.fromarray(noise.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture).astype(np.float64)


def _of_scene(job: Job) -> Drawn:
    label_path, instance_path = (job.scene.official_mask(job.root, kind) for kind in ("labelIds", "instanceIds"))
    label_ids, instance_ids = read_ids(label_path), read_ids(instance_path)
    name = f"{job.scene.city}/{job.scene.stem}{SUFFIX}"
    found = []
    for folder, quality in job.results:
        prediction = predict(_PREDICTED[label_ids], SCORED, quality, [7, job.number])
        path = Path(name) if folder is None else folder / name
        if folder is not None:
            write_png(path, prediction)
        pair = Pair(job.scene.stem, path, label_path, instance_path)
        found.append(pixel_counts.count(pair, Masks(prediction, label_ids, instance_ids)))
    return Drawn(job.scene.stem, tuple(found))


def draw_anything(samples: Sequence[Sample], folder: Path) -> None:
    """Write predictions of images without ground truth."""
    for number, sample in enumerate(samples):
        width, height = image_size(sample.image)
        ids = np.full((height, width), 7, np.uint8)
        ids[: height // 2] = 11
        write_png(folder / f"{sample.name}{SUFFIX}", predict(ids, SCORED, 0.5, [29, number]))
