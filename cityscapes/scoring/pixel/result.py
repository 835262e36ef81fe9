"""The result of scoring a split: its tables, its DataFrames and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.pixel import confusion
from cityscapes.scoring.pixel.boundary import BorderCounts
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.scoring.pixel.scores import MEAN, CityscapesScores, mean, table
from engine import bootstrap, image_counts
from engine.files.atomic import write_text
from engine.files.lock import exclusive
from engine.image_counts import ImageCounts
from engine.tables import Table, csv_of, percent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ScoringResult:
    """Result of one pass over the files: scores and pixel counts."""

    scores: CityscapesScores
    images: tuple[ImageCounts, ...]
    """Pixel counts of each image, in the order of the scenes."""
    borders: BorderCounts | None
    """Boundary pixels of all scenes; None if boundary IoU was not requested."""
    coverage: Coverage
    """Number of scored scenes, compared with the official split."""

    def to_json(self) -> dict[str, Any]:
        """The keys of the official result file, and our own figures under additional keys."""
        content = self.scores.to_json()
        content["coverage"] = self.coverage.to_json()
        content["averageScoreClassesInterval"] = list(image_counts.interval(self.images))
        if self.borders is not None:
            content["boundaryScores"] = self.borders.scores()
        return {**content, "images": {image.stem: image.to_json() for image in self.images}}

    def table(self) -> Table:
        """The table of `scores`, with a column `boundary IoU` if it was measured."""
        scores = self.scores.table()
        if self.borders is None:
            return scores
        borders = _with_mean(self.borders)
        names = zip(scores.columns["level"], scores.columns["name"], strict=True)
        column = [borders[name] if level == "class" else None for level, name in names]
        return Table({**scores.columns, "boundary IoU": column}, {**scores.shown, "boundary IoU": percent})

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1: columns level, name, IoU, iIoU, and boundary IoU if it was measured.

        The level is class or category; the last row of each level has the name `mean`. NaN means no score.
        """
        return self.table().to_dataframe()

    def images_to_dataframe(self) -> "pd.DataFrame":
        """IoU from 0 to 1 of each class within each image, worst image first; NaN for a class that does not occur.

        Columns: image, mean, and one for each of the 19 classes.
        """
        import pandas as pd

        listed = sorted(self.images, key=lambda image: (image_counts.mean_score(image), image.stem))
        rows = [(image.stem, image_counts.mean_score(image), *image.scores().tolist()) for image in listed]
        return pd.DataFrame(rows, columns=["image", MEAN, *NAMES])

    def __str__(self) -> str:
        parts = [table(self.scores), self.remark()]
        if self.borders is not None:
            rows = _with_mean(self.borders)
            borders = Table({"class": list(rows), "boundary IoU": list(rows.values())}, {"boundary IoU": percent})
            parts.insert(1, borders.render())
        return "\n\n".join(parts)

    def remark(self) -> str:
        """The bootstrap interval of the mean IoU, and the coverage."""
        spread = bootstrap.sentence("mean IoU", image_counts.interval(self.images), len(self.images))
        return f"{spread}\n{self.coverage}"

    def write_details(self, folder: Path) -> list[Path]:
        """Write the scores of single images and the confusion matrix, and return the paths of the files."""
        paths = [folder / name for name in ("images.csv", "confusion.csv", "confusion.txt", "confusion.png")]
        with exclusive(folder, "give another --details"):  # so that all files are of one result
            _write(paths, self)
        return paths


def _with_mean(borders: BorderCounts) -> dict[str, float]:
    """Boundary IoU by class, followed by their mean."""
    scores = borders.scores()
    return {**scores, MEAN: mean(scores.values())}


def _write(paths: Sequence[Path], result: ScoringResult) -> None:
    matrix = result.scores.confusion
    write_text(paths[0], csv_of(result.images_to_dataframe()))
    write_text(paths[1], csv_of(confusion.to_dataframe(matrix)))
    write_text(paths[2], confusion.table(matrix) + "\n")
    confusion.write_picture(paths[3], matrix)
