"""Results of the panoptic task of Cityscapes."""

from pathlib import Path
from typing import Any

from cityscapes.scoring.panoptic import comparison, images
from cityscapes.scoring.panoptic.matching import NAMES
from cityscapes.scoring.panoptic.quality import GROUPS
from report.records import ResultScores
from report.sources.scores import figures
from report.sources.scores.figures import Reading

_ALL, *_GROUPS = GROUPS


def read(path: Path, content: dict[str, Any]) -> Reading:
    """The scores in a result file of the panoptic task."""
    result = comparison.read(path, content)
    coverage, official, split = figures.coverage_of(content)
    averages = {name: figures.score(of[_ALL]) for name, of in result.figures.items()}
    for group in _GROUPS:
        averages |= {f"{name} {group.lower()}": figures.score(of[group]) for name, of in result.figures.items()}
    intervals = images.class_intervals(result.images) if result.images else []
    scores = ResultScores(
        path=path,
        task="panoptic",
        classes=figures.by_class(result.figures, NAMES, dict(zip(NAMES, intervals, strict=bool(result.images)))),
        averages=averages,
        interval=figures.valid(content.get("pqInterval")),
        images=(),
        confusion=None,
        coverage=coverage,
        official=official,
    )
    return Reading(scores, "cityscapes", split)
