"""Agreement of the drawn masks with the official ones."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.ground_truth.worklist import Job
from cityscapes.labels import LabelTable
from engine.arrays import IdArray, UInt8Array, true_positions
from engine.files.atomic import write_text
from engine.files.images import read_ids, write_png

_MARK = np.array([255, 0, 255], np.uint8)
"""Colour of differing pixels in the picture; no label has this colour."""


class PixelCounts(NamedTuple):
    """Numbers of pixels in official masks, and of those among them that were drawn differently.

    A boundary pixel has a neighbour to the left or right, above or below with another label in the official mask.
    """

    pixels: int = 0
    """Number of all pixels."""
    differing: int = 0
    """Number of pixels that were drawn differently."""
    boundary: int = 0
    """Number of boundary pixels."""
    boundary_differing: int = 0
    """Number of boundary pixels that were drawn differently."""

    def plus(self, other: "PixelCounts") -> "PixelCounts":
        """The sum of both counts."""
        return PixelCounts(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))


@dataclass
class Agreement:
    """Pixel counts of one or more images."""

    total: PixelCounts = field(default_factory=PixelCounts)
    """Counts over all images."""
    labels: dict[int, PixelCounts] = field(default_factory=dict)
    """Label id in the official masks -> counts over all images."""
    images: dict[str, PixelCounts] = field(default_factory=dict)
    """Name of the image -> counts."""
    worst: Job | None = None
    """Image with the most differing pixels, the first one if there are several; None if no pixel differs."""

    def add(self, other: "Agreement") -> None:
        """Add the counts of other images."""
        if other.worst and (self.worst is None or other.differing > self.images[self.worst.name].differing):
            self.worst = other.worst
        self.total = self.total.plus(other.total)
        for label_id, counts in other.labels.items():
            self.labels[label_id] = self.labels.get(label_id, PixelCounts()).plus(counts)
        self.images |= other.images

    @property
    def differing(self) -> int:
        """The number of differing pixels."""
        return self.total.differing


def compare(job: Job, drawn: IdArray, official: IdArray) -> Agreement:
    """Compare two (H, W) masks of label ids of the same size."""
    ids, at_boundary = official.ravel(), boundaries(official).ravel()
    differing = true_positions(drawn.ravel() != ids)
    run = np.append(0, true_positions(ids[1:] != ids[:-1]) + 1)  # start of each run; runs are fewer than pixels
    columns = (
        np.bincount(ids[run], weights=np.diff(run, append=ids.size)).astype(np.int64),
        np.bincount(ids[differing]),
        np.bincount(ids[true_positions(at_boundary)]),
        np.bincount(ids[differing[at_boundary[differing]]]),
    )
    count = np.zeros((len(columns[0]), len(columns)), np.int64)  # label id, number of PixelCounts
    for number, column in enumerate(columns):
        count[: len(column), number] = column
    labels = {label_id: PixelCounts(*count[label_id].tolist()) for label_id in np.flatnonzero(count[:, 0]).tolist()}
    total = PixelCounts()
    for counts in labels.values():
        total = total.plus(counts)
    return Agreement(total, labels, {job.name: total}, job if total.differing else None)


def boundaries(ids: IdArray) -> npt.NDArray[np.bool_]:
    """(H, W) mask of the pixels that have a neighbour to the left or right, above or below with another id."""
    found = np.zeros(ids.shape, np.bool_)
    sideways, upwards = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    found[:, 1:] |= sideways
    found[:, :-1] |= sideways
    found[1:] |= upwards
    found[:-1] |= upwards
    return found


def report(agreement: Agreement, folder: Path, table: LabelTable) -> list[str]:
    """The lines to print: one if all pixels agree, otherwise also every label and the images that differ most.

    Writes agreement.csv into the folder of the masks and, if pixels differ, agreement_worst.png.
    """
    picture = folder / "agreement_worst.png"
    if agreement.worst is None:
        picture.unlink(missing_ok=True)
    if not agreement.total.pixels:
        return []
    write_text(folder / "agreement.csv", as_csv(agreement, table))
    if agreement.worst is None:
        return [_headline(agreement)]
    write_png(picture, picture_of(agreement.worst, table))
    return [
        _headline(agreement),
        *_details(agreement, table),
        f"  full table: {folder / 'agreement.csv'}; picture of the differences in {agreement.worst.name}: {picture}",
    ]


def _headline(agreement: Agreement) -> str:
    total = agreement.total
    return (
        f"agreement with the official masks: {total.pixels - total.differing:,} of {total.pixels:,} pixels "
        f"({_percent(total)}) in {len(agreement.images)} scenes"
    )


def _details(agreement: Agreement, table: LabelTable, images: int = 5) -> list[str]:
    total = agreement.total
    lines = [
        f"  at boundaries {total.boundary_differing:,} of {total.boundary:,} pixels differ, "
        f"elsewhere {total.differing - total.boundary_differing:,} of {total.pixels - total.boundary:,}",
        f"  {'label':<22}{'pixels':>14}{'differing':>12}{'at boundary':>13}{'agreement':>12}",
    ]
    for label_id, counts in sorted(agreement.labels.items()):
        columns = f"{counts.pixels:>14,}{counts.differing:>12,}{counts.boundary_differing:>13,}"
        lines.append(f"  {_name(label_id, table):<22}{columns}{_percent(counts):>12}")
    worst = sorted(agreement.images.items(), key=lambda item: (-item[1].differing, item[0]))
    for name, counts in worst[:images]:
        if counts.differing:
            lines.append(
                f"  {name}: {counts.differing:,} {'pixel differs' if counts.differing == 1 else 'pixels differ'}"
            )
    return lines


def as_csv(agreement: Agreement, table: LabelTable) -> str:
    """All counts as CSV, in this order: total, each label, each image."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["of", "name", *PixelCounts._fields, "agreement"])
    rows = [("all", "all", agreement.total)]
    for label_id, counts in sorted(agreement.labels.items()):
        rows.append(("label", _name(label_id, table), counts))
    rows += [("image", name, counts) for name, counts in sorted(agreement.images.items())]
    for kind, name, counts in rows:
        writer.writerow([kind, name, *counts, f"{(counts.pixels - counts.differing) / max(1, counts.pixels):.8f}"])
    return buffer.getvalue()


def picture_of(job: Job, table: LabelTable) -> UInt8Array:
    """The official mask of an image in pale colours, with the differing pixels in magenta and widened by one pixel.

    Returns:
        (H, W, 3) RGB.
    """
    official = read_ids(job.official_mask("labelIds"))
    differing = read_ids(job.generated_mask("labelId")) != official
    pale = (160 + table.color_of[official] // 3).astype(np.uint8)
    wide = differing | boundaries(differing.astype(np.uint8))
    pale[wide] = _MARK
    return pale


def _name(label_id: int, table: LabelTable) -> str:
    return table.names.get(label_id, f"unknown id {label_id}")


def _percent(counts: PixelCounts) -> str:
    """The agreement in percent; 100 % only if all pixels agree."""
    if not counts.differing:
        return "100 %"
    return f"{min(100 * (1 - counts.differing / counts.pixels), 99.9999):.4f} %"
