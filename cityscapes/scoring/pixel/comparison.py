"""Comparison of two results of the pixel task."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cityscapes.labels import BY_NAME
from cityscapes.scoring.comparison import Comparison, parse, require_sum, score, side_by_side
from cityscapes.scoring.pixel import images
from cityscapes.scoring.pixel.images import ImageCounts
from cityscapes.scoring.pixel.scores import MEAN, mean


class ResultFile(NamedTuple):
    """Content of a result file."""

    path: Path
    classes: dict[str, float]
    """IoU of the scored classes by name."""
    class_instances: dict[str, float]
    """iIoU of the labels by name."""
    images: list[ImageCounts]
    """Pixel counts of the images, sorted by name; empty for a file of the official scorer."""

    @property
    def stems(self) -> list[str]:
        """Names of the images."""
        return [image.stem for image in self.images]


def read(path: Path, content: Any) -> ResultFile:
    """The result in the content of a file of this command or of the official scorer.

    Raises:
        InputError: if it is not a result, or if its images do not add up to its scores.
    """
    result = parse(path, content, lambda content: _read(path, content))
    if result.images:
        for name, summed in zip(images.NAMES, images.total_scores(result.images).tolist(), strict=True):
            require_sum(path, "an IoU", name, summed, result.classes.get(name, math.nan), "classScores")
    return result


def _read(path: Path, content: Any) -> ResultFile:
    return ResultFile(
        path,
        {name: score(value) for name, value in content["classScores"].items() if not BY_NAME[name].ignore_in_eval},
        {name: score(value) for name, value in content["classInstScores"].items()},
        sorted(images.from_json(content.get("images", {})), key=lambda image: image.stem),
    )


def compare(first: ResultFile, second: ResultFile) -> Comparison:
    """Compare two results: IoU and iIoU of the classes, with a last row `mean`."""
    names = list(first.classes)
    figures = {
        figure: (_with_mean(getattr(first, field), names), _with_mean(getattr(second, field), names))
        for figure, field in (("IoU", "classes"), ("iIoU", "class_instances"))
    }
    return Comparison(
        (first.path, second.path),
        side_by_side([*names, MEAN], figures),
        "mean IoU",
        (first.stems, second.stems),
        lambda: images.difference(first.images, second.images),
    )


def _with_mean(scores: dict[str, float], names: Sequence[str]) -> list[float]:
    """The scores of the named classes, NaN where there is none, followed by the mean of all scores."""
    return [*(scores.get(name, math.nan) for name in names), mean(scores.values())]
