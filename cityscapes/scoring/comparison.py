"""Comparison of two results, for all tasks: their files, their differences by class, and an interval of the average."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cityscapes.scoring.bootstrap import LEVEL, Interval
from engine.errors import InputError
from engine.tables import Table, percent, points

if TYPE_CHECKING:
    import pandas as pd

REMEDY = "give a file written by `python -m cityscapes.scoring --output FILE` or by the official scorer"
_ROUNDING = 1e-9
"""Rounding error by which a score may exceed 1 or differ from the sum over images."""

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Comparison:
    """Comparison of the results A and B of the same task, by class and on average."""

    paths: tuple[Path, Path]
    """Files of A and B, or the names of results that were just measured."""
    scores: Table
    """Scores of both results and their differences."""
    average: str
    """Name of the average whose difference has an interval, for example `mean IoU`."""
    images: tuple[Sequence[str], Sequence[str]]
    """Names of the images whose figures each result has, in the same order; empty for the official scorer."""
    difference: Callable[[], Interval]
    """Function that computes the interval of the difference of the averages, if the images are the same."""

    def table(self) -> Table:
        """The scores of both results and their differences, with rows for the classes and for averages."""
        return self.scores

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1 and their differences, see `table`; NaN where there is no score."""
        return self.scores.to_dataframe()

    def heading(self) -> str:
        """The paths of the files A and B."""
        return "\n".join(f"{name}  {path}" for name, path in zip("AB", self.paths, strict=True))

    def verdict(self) -> str:
        """Whether the difference of the averages may be chance, with its interval."""
        first, second = self.images
        if not first or not second:
            return (
                "no interval: both files must have been written by this command, which records the counts of each image"
            )
        if first != second:
            return f"no interval: A and B have different images ({len(first)} and {len(second)})"
        low, high = self.difference()
        verdict = "more than chance" if low > 0 or high < 0 else "may be chance"
        return (
            f"{self.average}, B - A: {100 * low:+.2f} to {100 * high:+.2f} points in {LEVEL:.0%} of the resamples "
            f"of {len(first)} images: {verdict}"
        )

    def __str__(self) -> str:
        return "\n\n".join([self.heading(), self.scores.render(), self.verdict()])


def side_by_side(rows: Sequence[str], figures: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Table:
    """The table of a comparison: one row per class or average, three columns per figure.

    Args:
        rows: names of the classes and averages.
        figures: name of each figure -> its scores in A and in B, from 0 to 1, one per row; NaN means no score.
    """
    columns: dict[str, Sequence[Any]] = {"class": rows}
    for figure, (before, after) in figures.items():
        gains = [new - old for old, new in zip(before, after, strict=True)]
        columns |= {f"{figure} A": before, f"{figure} B": after, f"{figure} B - A": gains}
    return Table(columns, {name: points if name.endswith("B - A") else percent for name in columns if name != "class"})


def parse(path: Path, content: Any, read: Callable[[Any], Parsed]) -> Parsed:
    """The content of a result file as `read` understands it.

    Raises:
        InputError: if `read` raises an error that content of another form causes.
    """
    try:
        return read(content)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise InputError(f"{path}: not the result of a scorer ({reason}); {REMEDY}") from error


def score(value: Any) -> float:
    """A score as a float; NaN for null, and for the NaN that the official scorers write.

    Raises:
        ValueError: if it is neither NaN nor a number from 0 to 1.
    """
    if value is None or value != value:  # noqa: PLR0124  # NaN
        return math.nan
    if type(value) not in (int, float) or not 0 <= value <= 1 + _ROUNDING:
        raise ValueError(f"expected a score from 0 to 1, got {str(value)[:20]}")
    return float(value)


def require_sum(path: Path, figure: str, name: str, summed: float, recorded: float, key: str) -> None:
    """Check that the images of a result add up to a score that its file records, for example the IoU of a class.

    Raises:
        InputError: if they do not: the file was edited, or combined from two results.
    """
    if not (math.isnan(recorded) and math.isnan(summed)) and not abs(recorded - summed) <= _ROUNDING:
        raise InputError(
            f"{path}: its images add up to {figure} of {percent(summed)} % for {name}, but its {key} say "
            f"{percent(recorded)} %, so it is not a single result; score the predictions again"
        )
