"""Comparison of two results: the difference of each class, and whether that of the mean may be chance."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cityscapes.labels import BY_NAME
from cityscapes.scoring.pixel import images
from cityscapes.scoring.pixel.images import ImageCounts
from cityscapes.scoring.pixel.result import ScoringResult
from cityscapes.scoring.pixel.scores import MEAN, mean
from engine.errors import InputError
from engine.files.documents import read_json
from engine.tables import Table, percent, points

if TYPE_CHECKING:
    import pandas as pd

_REMEDY = "give a file written by `python -m cityscapes.scoring --output FILE` or by the official scorer"
_ROUNDING = 1e-9
"""Rounding error by which a score may exceed 1 or differ from the sum over images."""


class ResultFile(NamedTuple):
    """Content of a result file."""

    path: Path
    classes: dict[str, float]
    """IoU of the scored classes by name."""
    class_instances: dict[str, float]
    """iIoU of the labels by name."""
    images: list[ImageCounts]
    """Pixel counts of the images, sorted by name; empty for a file of the official scorer."""


def read(path: Path) -> ResultFile:
    """Read a result file of this command or of the official scorer.

    Raises:
        InputError: if the file is missing, or is not a result file.
    """
    content = read_json(path)
    try:
        result = ResultFile(
            path,
            {name: _score(value) for name, value in content["classScores"].items() if not BY_NAME[name].ignore_in_eval},
            {name: _score(value) for name, value in content["classInstScores"].items()},
            sorted(images.from_json(content.get("images", {})), key=lambda image: image.stem),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise InputError(f"{path}: not the result of a scorer ({reason}); {_REMEDY}") from error
    _require_one_result(result)
    return result


def _require_one_result(result: ResultFile) -> None:
    """Check that the images of a result add up to its scores.

    Raises:
        InputError: with the first class for which they do not: the file was edited, or combined from two results.
    """
    if not result.images:
        return
    for name, summed in zip(images.NAMES, images.total_scores(result.images).tolist(), strict=True):
        score = result.classes.get(name, math.nan)
        if not (math.isnan(score) and math.isnan(summed)) and not abs(score - summed) <= _ROUNDING:
            raise InputError(
                f"{result.path}: its images add up to an IoU of {percent(summed)} % for {name}, but its "
                f"classScores say {percent(score)} %, so it is not a single result; score the predictions again"
            )


def _score(value: Any) -> float:
    """A score as a float; NaN for null, and for the NaN that the official scorer writes.

    Raises:
        ValueError: if it is neither NaN nor a number from 0 to 1.
    """
    if value is None or value != value:  # noqa: PLR0124  # NaN
        return math.nan
    if type(value) not in (int, float) or not 0 <= value <= 1 + _ROUNDING:
        raise ValueError(f"expected a score from 0 to 1, got {str(value)[:20]}")
    return float(value)


class Comparison(NamedTuple):
    """Comparison of two results by class."""

    first: ResultFile
    second: ResultFile

    def table(self) -> Table:
        """IoU and iIoU of both results and their differences, by class, with a last row `mean`."""
        names = list(self.first.classes)
        columns: dict[str, list[Any]] = {"class": [*names, MEAN]}
        for figure, field in (("IoU", "classes"), ("iIoU", "class_instances")):
            before, after = (_with_mean(getattr(result, field), names) for result in self)
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
        """Whether the difference of the means may be chance, with its interval."""
        return _verdict(self.first, self.second)

    def __str__(self) -> str:
        return "\n\n".join([self.heading(), self.table().render(), self.verdict()])


def result_of(result: ScoringResult, name: str) -> ResultFile:
    """A result that was just measured, for a comparison that calls it by a name."""
    scored = {label: score for label, score in result.scores.classes.items() if not BY_NAME[label].ignore_in_eval}
    listed = sorted(result.images, key=lambda image: image.stem)
    return ResultFile(Path(name), scored, dict(result.scores.class_instances), listed)


def compare(first: Path, second: Path) -> Comparison:
    """Compare two result files.

    Raises:
        InputError: if one is missing or is not a result file.
    """
    return Comparison(read(first), read(second))


def _with_mean(scores: dict[str, float], names: Sequence[str]) -> list[float]:
    """The scores of the named classes, NaN where there is none, followed by the mean of all scores."""
    return [*(scores.get(name, math.nan) for name in names), mean(scores.values())]


def _verdict(first: ResultFile, second: ResultFile) -> str:
    """Whether the difference of the means may be chance."""
    if not first.images or not second.images:
        return "no interval: both files must have been written by this command, which records the counts of each image"
    if [image.stem for image in first.images] != [image.stem for image in second.images]:
        return f"no interval: A and B have different images ({len(first.images)} and {len(second.images)})"
    low, high = images.difference(first.images, second.images)
    verdict = "more than chance" if low > 0 or high < 0 else "may be chance"
    return (
        f"mean IoU, B - A: {100 * low:+.2f} to {100 * high:+.2f} points in {images.LEVEL:.0%} of the resamples "
        f"of {len(first.images)} images: {verdict}"
    )
