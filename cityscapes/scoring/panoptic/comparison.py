"""Comparison of two results of the panoptic task."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from cityscapes.scoring.comparison import Comparison, ResultFile, parse, require_sum, score
from cityscapes.scoring.panoptic import images
from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, NAMES, PanopticCounts
from cityscapes.scoring.panoptic.quality import GROUPS, average, qualities, total

_KEYS = {"PQ": "pq", "SQ": "sq", "RQ": "rq"}
"""Name of a figure -> its official key."""
_TRAIN_IDS = tuple(str(number) for number in range(len(NAMES)))


def read(path: Path, content: Any) -> ResultFile[PanopticCounts]:
    """The result in the content of a file of this command or of the official script.

    Official files record a quality of 0 for a class that does not occur. The images say which classes these are.

    Raises:
        InputError: if it is not a result, or if its images do not add up to its scores.
    """
    result = parse(path, content, _figures, images.from_json)
    if not result.images:
        return result
    figures = _totals(result.images)
    for figure, scores in figures.items():
        recorded = {name: 0.0 if math.isnan(scores[name]) else scores[name] for name in NAMES}
        require_sum(result, figure, recorded, "per_class")
        require_sum(result, figure, {name: scores[name] for name in GROUPS}, "averages")
    return replace(result, figures=figures)


def _figures(content: Any) -> dict[str, dict[str, float]]:
    """PQ, SQ and RQ of the classes by name, then their averages."""
    of_ids = content["per_class"]
    ids = _TRAIN_IDS if set(of_ids) == set(_TRAIN_IDS) else tuple(map(str, CATEGORY_IDS))
    rows = {name: of_ids[category] for name, category in zip(NAMES, ids, strict=True)}
    rows |= {name: content[name] for name in GROUPS}
    return {figure: {name: score(row[key]) for name, row in rows.items()} for figure, key in _KEYS.items()}


def _totals(listed: Any) -> dict[str, dict[str, float]]:
    """The figures from the sums over images; NaN for classes and averages that do not occur."""
    of_classes = qualities(*total(listed)[1:])
    averages = {name: average(of_classes, group) for name, group in GROUPS.items()}
    return {
        figure: {
            **dict(zip(NAMES, getattr(of_classes, key).tolist(), strict=True)),
            **{name: getattr(of_group, key) for name, of_group in averages.items()},
        }
        for figure, key in _KEYS.items()
    }


def compare(first: ResultFile[PanopticCounts], second: ResultFile[PanopticCounts]) -> Comparison:
    """Compare two results: PQ, SQ and RQ of the classes, with last rows All, Things and Stuff."""
    return Comparison(first, second, "mean PQ", images.difference)
