"""Results of the pixel task of Cityscapes."""

from pathlib import Path
from typing import Any

import numpy as np

from cityscapes.scoring.comparison import score
from cityscapes.scoring.pixel import comparison
from cityscapes.scoring.pixel.counts import SCORED
from cityscapes.scoring.pixel.images import NAMES
from report.records import Confusion, ResultScores
from report.sources.scores import figures
from report.sources.scores.figures import Reading

_AVERAGES = {
    "IoU": "averageScoreClasses",
    "iIoU": "averageScoreInstClasses",
    "category IoU": "averageScoreCategories",
    "category iIoU": "averageScoreInstCategories",
}
"""Name of each average of the server -> its key."""


def read(path: Path, content: dict[str, Any]) -> Reading:
    """The scores in a result file of the pixel task."""
    result = comparison.read(path, content)
    coverage, official, split = figures.coverage_of(content)
    images = tuple(result.images)
    by_name = {name: dict(of) for name, of in result.figures.items()}
    if isinstance(borders := content.get("boundaryScores"), dict):
        by_name["boundary IoU"] = {name: score(borders[name]) for name in NAMES}
    scores = ResultScores(
        path=path,
        task="pixel",
        classes=figures.by_class(by_name, NAMES, figures.class_intervals(NAMES, images)),
        averages={name: figures.score(score(content.get(key))) for name, key in _AVERAGES.items()},
        interval=figures.valid(content.get("averageScoreClassesInterval")),
        images=images,
        confusion=_confusion(content.get("confMatrix")),
        coverage=coverage,
        official=official,
    )
    return Reading(scores, "cityscapes", split)


def _confusion(content: Any) -> Confusion | None:
    """The (19, 20) confusion of the scored classes, with a last column for unscored labels."""
    if content is None:
        return None
    rows = figures.matrix(content, (len(SCORED), len(SCORED)))[SCORED]
    return Confusion(NAMES, (*NAMES, "unscored"), np.column_stack([rows[:, SCORED], rows[:, ~SCORED].sum(1)]))
