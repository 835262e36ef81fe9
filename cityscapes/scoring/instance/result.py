"""The result of the instance task: its tables, its DataFrames and its files."""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.instance import confusion, images
from cityscapes.scoring.instance.average_precision import MIN_PIXELS, OVERLAPS, ImageDetections, average_precisions
from cityscapes.scoring.instance.matching import CLASSES
from engine import bootstrap
from engine.arrays import Float64Array, Int64Array
from engine.bootstrap import Interval
from engine.files.atomic import write_text
from engine.files.lock import exclusive
from engine.tables import Table, csv_of, percent

if TYPE_CHECKING:
    import pandas as pd

AVERAGE = "average"
"""Name of the last row of a table."""
_DISTANCES = {
    "minRegionSizes": [MIN_PIXELS, 1000, 1000],
    "distanceThresholds": [math.inf, 100.0, 50.0],
    "minStereoDensities": [-math.inf, 0.5, 0.5],
}
"""Parameters of the official script; without distances in the ground truth, it uses only the first of each."""


@dataclass(frozen=True, eq=False)
class InstanceResult:
    """Result of scoring a split: the outcomes of all predictions, from which all figures follow."""

    images: tuple[ImageDetections, ...]
    """Outcomes of the predictions of each image, in the order of the scenes."""
    confusion: Int64Array
    """(10, 9) confusion of the instances of all images, see `confusion.count`."""
    coverage: Coverage
    """Number of scored scenes, compared with the official split."""

    @cached_property
    def precisions(self) -> Float64Array:
        """(8, 10) AP from 0 to 1 of each class at each overlap; NaN for a class without instances."""
        return average_precisions(self.images)

    @cached_property
    def interval(self) -> Interval:
        """Bootstrap interval of the average AP over images."""
        return self._intervals[0]

    @cached_property
    def _intervals(self) -> tuple[Interval, dict[str, Interval]]:
        return images.intervals(self.images)

    def to_json(self) -> dict[str, Any]:
        """The keys of the official result file, and our own figures under additional keys."""
        return {
            "averages": self._averages(),
            "overlaps": OVERLAPS.tolist(),
            **_DISTANCES,
            "instLabels": list(CLASSES),
            "resultApMatrix": [self.precisions.tolist()],
            "coverage": self.coverage.to_json(),
            "allApInterval": list(self.interval),
            "classApIntervals": {name: list(of_class) for name, of_class in self._intervals[1].items()},
            "images": {image.stem: image.to_json() for image in self.images},
        }

    def _averages(self) -> dict[str, Any]:
        """Averages under their official names, computed as in the official script."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a mean without a value, which is NaN
            over_classes = {
                "allAp": float(np.nanmean(self.precisions)),
                "allAp50%": float(np.nanmean(self.precisions[:, 0])),
            }
        classes = {
            name: {"ap": float(np.average(of_class)), "ap50%": float(of_class[0])}
            for name, of_class in zip(CLASSES, self.precisions, strict=True)
        }
        return {**over_classes, "classes": classes}

    def table(self) -> Table:
        """AP and AP50% from 0 to 1 of each class, and their average over the classes with instances in the last row."""
        return self._table(AVERAGE)

    def _table(self, last: str) -> Table:
        averages = self._averages()
        rows = [(of["ap"], of["ap50%"]) for of in averages["classes"].values()]
        aps, halves = zip(*rows, (averages["allAp"], averages["allAp50%"]), strict=True)
        return Table({"class": [*CLASSES, last], "AP": aps, "AP50%": halves}, {"AP": percent, "AP50%": percent})

    def to_dataframe(self) -> "pd.DataFrame":
        """AP and AP50% from 0 to 1: columns class, AP, AP50%; the last row is the average.

        NaN means that the ground truth has no instance of that class.
        """
        return self.table().to_dataframe()

    def images_to_dataframe(self) -> "pd.DataFrame":
        """Figures of each image, worst image first, see `images.to_dataframe`."""
        return images.to_dataframe(self.images)

    def __str__(self) -> str:
        scored = int((~np.isnan(self.precisions[:, 0])).sum())
        return f"{self._table(f'average of {scored}').render()}\n\n{self.remark()}"

    def remark(self) -> str:
        """The bootstrap interval of the average AP, and the coverage."""
        spread = bootstrap.sentence("average AP", self.interval, len(self.images))
        return f"{spread}\n{self.coverage}"

    def write_details(self, folder: Path) -> list[Path]:
        """Write the figures of single images and the confusion of instances, and return the paths of the files."""
        paths = [folder / name for name in ("images.csv", "confusion.csv", "confusion.txt", "confusion.png")]
        with exclusive(folder, "give another --details"):  # so that all files are of one result
            write_text(paths[0], csv_of(self.images_to_dataframe()))
            write_text(paths[1], csv_of(confusion.to_dataframe(self.confusion)))
            write_text(paths[2], confusion.table(self.confusion) + "\n")
            confusion.write_picture(paths[3], self.confusion)
        return paths
