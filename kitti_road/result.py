"""Result of scoring KITTI Road: its table, its DataFrame, and its comparison with the official set."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine.findings import counted
from engine.tables import Table
from kitti_road.layout import official_number
from kitti_road.measures import RoadScores, table

if TYPE_CHECKING:
    import pandas as pd

Space = Literal["image", "bev"]
"""Space of the scores: the image, or the bird's-eye view."""


class RoadResult(NamedTuple):
    """Result of scoring all sets."""

    scores: dict[str, RoadScores]
    """Scores by set, for example `um_road`, and of `urban_road`."""
    faults: tuple[str, ...]
    """Reasons why sets are not scored."""
    notes: tuple[str, ...]
    """Notes for the user that are not faults."""
    coverage: str = ""
    """Number of scored frames, compared with the official set."""

    def table(self) -> Table:
        """The table of the scores, with one row for each scored set."""
        return table(self.scores)

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1: columns benchmark (the set), MaxF, AP, PRE, REC, FPR and FNR; NaN for no score."""
        return self.table().to_dataframe()


def coverage_of(split: str, frames: dict[str, int]) -> str:
    """The number of scored frames, compared with the official number of each set."""
    official = {name: official_number(split, name.partition("_")[0]) for name in frames}
    if frames == official:
        return f"{counted(sum(frames.values()), 'frame')}, as many as in the official set"
    lines = ", ".join(f"{name} {number} of {official[name]}" for name, number in frames.items())
    return f"not the official frames ({lines}): do not compare these scores with published ones"


def title(split: str, space: Space) -> str:
    """The heading of a table."""
    return f"{split}, in the bird's-eye view" if space == "bev" else f"{split}, in the image"


def to_json(scores: dict[str, RoadScores], split: str, space: Space) -> dict[str, Any]:
    """The scores as JSON content."""
    return {"split": split, "space": space, "sets": {name: of_set.to_json() for name, of_set in scores.items()}}
