"""Results of KITTI Road: of the command kitti_road.scoring, for one space, or of test_fcn.py, for both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cityscapes.scoring.comparison import score
from report.records import ClassScore, ResultScores
from report.sources.plain import mapping, plain, short, text
from report.sources.scores import figures
from report.sources.scores.figures import Reading

SPACES = {"bev": "in the bird's-eye view, as the server scores", "image": "in the image"}
"""Space of scores -> its description; the first one of a result is the main one."""
_FIGURES = ("MaxF", "AP", "PRE", "REC", "FPR", "FNR")
_MAIN = "urban_road"
"""Set whose scores are averages over all pixels of the other sets of road."""
_LANE = "um_lane"


def read(path: Path, content: dict[str, Any]) -> Reading:
    """The scores in a result file of KITTI Road; its sets take the place of classes."""
    of_spaces = _spaces(content)
    space, main = next(iter(of_spaces.items()))
    averages = _averages(main)
    for other, sets in list(of_spaces.items())[1:]:
        values = _averages(sets)
        averages |= {f"{name} {SPACES[other]}": values[name] for name in _FIGURES[:2]}
    scores = ResultScores(
        path=path,
        task="road",
        classes=tuple(ClassScore(name, of) for name, of in main.items()),
        averages=averages,
        interval=None,
        images=(),
        confusion=None,
        coverage=SPACES[space],
        official=None,
    )
    recorded = content if "sets" in content else content[space]
    return Reading(scores, "kitti_lane" if set(main) == {_LANE} else "kitti_road", text(plain(recorded.get("split"))))


def _spaces(content: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Space -> set -> figure -> score, the main space first."""
    if "sets" in content:
        content = {content["space"]: content}
    found = {space: _sets(content[space]) for space in SPACES if space in content}
    if not found:
        raise ValueError(f"expected scores in one of the spaces {', '.join(SPACES)}")
    return found


def _sets(content: Any) -> dict[str, dict[str, float | None]]:
    sets = {
        short(name): {figure: figures.score(score(mapping(of)[figure])) for figure in _FIGURES}
        for name, of in mapping(mapping(content)["sets"]).items()
    }
    if not sets:
        raise ValueError("expected the scores of at least one set")
    return sets


def _averages(sets: Mapping[str, dict[str, float | None]]) -> dict[str, float | None]:
    """The figures of all sets of road together; of the first set if they are missing."""
    return dict(sets.get(_MAIN) or next(iter(sets.values())))
