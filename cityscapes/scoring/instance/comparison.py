"""Comparison of two results of the instance task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cityscapes.scoring.comparison import Comparison, ResultFile, parse, require_sum, score
from cityscapes.scoring.instance import images
from cityscapes.scoring.instance.average_precision import ImageDetections, average_precisions, from_json
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import AVERAGE
from cityscapes.scoring.pixel.scores import mean

_KEYS = {"AP": "ap", "AP50%": "ap50%"}
"""Name of a figure -> its official key."""


def read(path: Path, content: Any) -> ResultFile[ImageDetections]:
    """The result in the content of a file of this command or of the official script.

    Raises:
        InputError: if it is not a result, or if its images do not add up to its scores.
    """
    result = parse(path, content, _figures, from_json)
    if result.images:
        precisions = average_precisions(result.images)
        for figure, scores in zip(_KEYS, (precisions.mean(1), precisions[:, 0]), strict=True):
            require_sum(result, figure, dict(zip(CLASSES, scores.tolist(), strict=True)), "averages")
    return result


def _figures(content: Any) -> dict[str, dict[str, float]]:
    """AP and AP50% of the classes by name, with their averages."""
    classes = content["averages"]["classes"]
    return {figure: _with_average([score(classes[name][key]) for name in CLASSES]) for figure, key in _KEYS.items()}


def _with_average(scores: Sequence[float]) -> dict[str, float]:
    return {**dict(zip(CLASSES, scores, strict=True)), AVERAGE: mean(scores)}


def compare(first: ResultFile[ImageDetections], second: ResultFile[ImageDetections]) -> Comparison:
    """Compare two results: AP and AP50% of the classes, with a last row `average`."""
    return Comparison(first, second, "average AP", images.difference)
