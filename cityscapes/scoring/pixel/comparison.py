"""Comparison of two results of the pixel task."""

from pathlib import Path
from typing import Any

from cityscapes.labels import BY_NAME
from cityscapes.scoring.comparison import Comparison, ResultFile, parse, require_sum, score
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.scoring.pixel.scores import MEAN, mean
from engine import image_counts
from engine.image_counts import ImageCounts

_IOU, _IIOU = "IoU", "iIoU"


def read(path: Path, content: Any) -> ResultFile[ImageCounts]:
    """The result in the content of a file of this command or of the official scorer.

    Raises:
        InputError: if it is not a result, or if its images do not add up to its scores.
    """
    result = parse(path, content, _figures, lambda images: image_counts.from_json(images, len(NAMES)))
    if result.images:
        totals = dict(zip(NAMES, image_counts.total_scores(result.images).tolist(), strict=True))
        require_sum(result, _IOU, totals, "classScores")
    return result


def _figures(content: Any) -> dict[str, dict[str, float]]:
    """IoU and iIoU of the scored classes by name, with their means."""
    ious = {name: value for name, value in content["classScores"].items() if not BY_NAME[name].ignore_in_eval}
    iious = content["classInstScores"]
    return {figure: _with_mean(scores) for figure, scores in ((_IOU, ious), (_IIOU, iious))}


def _with_mean(values: dict[str, Any]) -> dict[str, float]:
    scores = {name: score(value) for name, value in values.items()}
    return {**scores, MEAN: mean(scores.values())}


def compare(first: ResultFile[ImageCounts], second: ResultFile[ImageCounts]) -> Comparison:
    """Compare two results: IoU and iIoU of the classes, with a last row `mean`."""
    return Comparison(first, second, "mean IoU", image_counts.difference)
