"""The result of the panoptic task: its tables, its DataFrames and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.panoptic import images
from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, NAMES, PanopticCounts
from cityscapes.scoring.panoptic.quality import GROUPS, Average, Qualities, average, qualities, total
from engine import bootstrap
from engine.bootstrap import Interval
from engine.files.atomic import write_text
from engine.files.lock import exclusive
from engine.tables import Table, csv_of, percent

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = {"PQ": "pq", "SQ": "sq", "RQ": "rq"}
"""Heading -> field of `Qualities` and `Average`, which is also the official key."""
_SHOWN = dict.fromkeys(_FIGURES, percent)


@dataclass(frozen=True, eq=False)
class PanopticResult:
    """Result of scoring a split: the matches of each image, from which all figures follow."""

    images: tuple[PanopticCounts, ...]
    """Matches of each image, in the order of the scenes."""
    coverage: Coverage
    """Number of scored scenes, compared with the official split."""

    @cached_property
    def classes(self) -> Qualities:
        """Quality of each class over all images, (19,) each."""
        return qualities(*total(self.images)[1:])

    @cached_property
    def averages(self) -> dict[str, Average]:
        """Mean quality over the classes that occur: of All, Things and Stuff."""
        return {name: average(self.classes, group) for name, group in GROUPS.items()}

    @cached_property
    def interval(self) -> Interval:
        """Bootstrap interval of the mean PQ over images."""
        return images.interval(self.images)

    def to_json(self) -> dict[str, Any]:
        """The keys of the official result file, and our own figures under additional keys.

        As there, a class that does not occur has a quality of 0 and is left out of the averages.
        """
        filled = Qualities(*map(np.nan_to_num, self.classes))
        per_class = {
            str(category): dict(zip(_FIGURES.values(), of, strict=True))
            for category, of in zip(CATEGORY_IDS, _rows(filled), strict=True)
        }
        return {
            **{name: of._asdict() for name, of in self.averages.items()},
            "per_class": per_class,
            "coverage": self.coverage.to_json(),
            "pqInterval": list(self.interval),
            "images": {image.stem: image.to_json() for image in self.images},
        }

    def table(self) -> Table:
        """PQ, SQ and RQ of each class, then their averages with `n`, the number of classes that occur."""
        rows = [("class", name, *of, None) for name, of in zip(NAMES, _rows(self.classes), strict=True)]
        rows += [("average", name, *of) for name, of in self.averages.items()]
        headings = ("level", "name", *_FIGURES, "n")
        return Table(dict(zip(headings, zip(*rows, strict=True), strict=True)), _SHOWN)

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1, see `table`; NaN where there is no score."""
        return self.table().to_dataframe()

    def images_to_dataframe(self) -> "pd.DataFrame":
        """Figures of each image, worst image first: its PQ, and its matched, wrong and missed segments.

        The columns are those of `cityscapes.scoring.panoptic.images.to_dataframe`.
        """
        return images.to_dataframe(self.images)

    def __str__(self) -> str:
        rows = zip(NAMES, _rows(self.classes), strict=True)
        classes = _table("class", [(name, *of) for name, of in rows])
        averages = _table("average", [(name, *of) for name, of in self.averages.items()], "n")
        return "\n\n".join([classes.render(), averages.render(), self.remark()])

    def remark(self) -> str:
        """The bootstrap interval of the mean PQ, and the coverage."""
        spread = bootstrap.sentence("mean PQ", self.interval, len(self.images))
        return f"{spread}\n{self.coverage}"

    def write_details(self, folder: Path) -> list[Path]:
        """Write the figures of single images, and return the paths of the files."""
        path = folder / "images.csv"
        with exclusive(folder, "give another --details"):  # so that all files are of one result
            write_text(path, csv_of(self.images_to_dataframe()))
        return [path]


def _rows(classes: Qualities) -> list[tuple[float, ...]]:
    """PQ, SQ and RQ of each class."""
    return list(zip(*(figures.tolist() for figures in classes), strict=True))


def _table(level: str, rows: Sequence[tuple[Any, ...]], *more: str) -> Table:
    return Table(dict(zip((level, *_FIGURES, *more), zip(*rows, strict=True), strict=True)), _SHOWN)
