"""Comparison of two results, for all tasks: their files, their differences by class, and an interval of the average."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from engine.bootstrap import LEVEL, Interval
from engine.errors import InputError
from engine.tables import Table, percent, points

if TYPE_CHECKING:
    import pandas as pd

REMEDY = "give a file written by `python -m cityscapes.scoring --output FILE` or by the official scorer"
_ROUNDING = 1e-9
"""Rounding error by which a score may exceed 1 or differ from the sum over images."""


class Image(Protocol):
    """Figures of one image, as any task has them."""

    @property
    def stem(self) -> str:
        """Name of the scene."""


AnyImage = TypeVar("AnyImage", bound=Image)


@dataclass(frozen=True)
class ResultFile(Generic[AnyImage]):
    """Content of a result file."""

    path: Path
    """Path of the file, or the name of a result that was just measured."""
    figures: Mapping[str, Mapping[str, float]]
    """Name of each figure, for example IoU -> its scores from 0 to 1 by class, then on average; NaN means no score."""
    images: Sequence[AnyImage]
    """Figures of the images, sorted by name; empty for a file of the official scorer."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of the results A and B of the same task, by class and on average."""

    first: ResultFile[Any]
    second: ResultFile[Any]
    average: str
    """Name of the average whose difference has an interval, for example `mean IoU`."""
    difference: Callable[[Any, Any], Interval]
    """Function that computes the interval from the images of both results, which are the same."""

    def table(self) -> Table:
        """The scores of both results and their differences: one row per class or average, three columns per figure."""
        figures = self.first.figures
        rows = list(next(iter(figures.values())))
        columns: dict[str, list[Any]] = {"class": rows}
        for figure in figures:
            before, after = (
                [result.figures[figure].get(name, math.nan) for name in rows] for result in (self.first, self.second)
            )
            gains = [new - old for old, new in zip(before, after, strict=True)]
            columns |= {f"{figure} A": before, f"{figure} B": after, f"{figure} B - A": gains}
        return Table(
            columns, {name: points if name.endswith("B - A") else percent for name in columns if name != "class"}
        )

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1 and their differences, see `table`; NaN where there is no score."""
        return self.table().to_dataframe()

    def heading(self) -> str:
        """The paths of the files A and B."""
        return f"A  {self.first.path}\nB  {self.second.path}"

    def verdict(self) -> str:
        """Whether the difference of the averages may be chance, with its interval."""
        first, second = self.first.images, self.second.images
        if not first or not second:
            return (
                "no interval: both files must have been written by this command, which records the counts of each image"
            )
        if [image.stem for image in first] != [image.stem for image in second]:
            return f"no interval: A and B have different images ({len(first)} and {len(second)})"
        low, high = self.difference(first, second)
        verdict = "more than chance" if low > 0 or high < 0 else "may be chance"
        return (
            f"{self.average}, B - A: {100 * low:+.2f} to {100 * high:+.2f} points in {LEVEL:.0%} of the resamples "
            f"of {len(first)} images: {verdict}"
        )

    def __str__(self) -> str:
        return "\n\n".join([self.heading(), self.table().render(), self.verdict()])


def parse(
    path: Path,
    content: Any,
    figures: Callable[[Any], Mapping[str, Mapping[str, float]]],
    images: Callable[[Any], Iterable[AnyImage]],
) -> ResultFile[AnyImage]:
    """The content of a result file.

    Args:
        path: of the file.
        content: of the file.
        figures: reader of the figures from the content.
        images: reader of the images from what the key `images` holds.

    Raises:
        InputError: if a reader raises an error that content of another form causes.
    """
    try:
        listed = sorted(images(content.get("images", {})), key=lambda image: image.stem)
        return ResultFile(path, figures(content), listed)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
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


def require_sum(result: ResultFile[Any], figure: str, summed: Mapping[str, float], key: str) -> None:
    """Check that the images of a result add up to the scores that its file records.

    Args:
        result: the result.
        figure: name of the figure.
        summed: name of each class or average -> the score from the images.
        key: key of the recorded scores in the file.

    Raises:
        InputError: with the first score that differs: the file was edited, or combined from two results.
    """
    for name, score in summed.items():
        recorded = result.figures[figure].get(name, math.nan)
        if not (math.isnan(recorded) and math.isnan(score)) and not abs(recorded - score) <= _ROUNDING:
            article = "an" if figure[0] in "AIiRS" else "a"
            raise InputError(
                f"{result.path}: its images add up to {article} {figure} of {percent(score)} % for {name}, but its "
                f"{key} say {percent(recorded)} %, so it is not a single result; score the predictions again"
            )
