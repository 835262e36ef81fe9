"""Results of the instance task of Cityscapes."""

from pathlib import Path
from typing import Any

from cityscapes.scoring.instance import comparison
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import AVERAGE
from report.records import ResultScores
from report.sources.scores import figures
from report.sources.scores.figures import Reading


def read(path: Path, content: dict[str, Any]) -> Reading:
    """The scores in a result file of the instance task.

    Intervals are those that the scorer recorded, because each would take seconds to compute.
    """
    result = comparison.read(path, content)
    coverage, official, split = figures.coverage_of(content)
    scores = ResultScores(
        path=path,
        task="instance",
        classes=figures.by_class(result.figures, CLASSES, content.get("classApIntervals", {})),
        averages={name: figures.score(of[AVERAGE]) for name, of in result.figures.items()},
        interval=figures.valid(content.get("allApInterval")),
        images=(),
        confusion=None,
        coverage=coverage,
        official=official,
    )
    return Reading(scores, "cityscapes", split)
