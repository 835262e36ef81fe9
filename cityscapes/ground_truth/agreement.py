"""How far drawn masks agree with those that came with the data set."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.ground_truth.worklist import Work
from cityscapes.labels import LabelTable
from engine.arrays import IdArray, UInt8Array
from engine.files.atomic import write_text
from engine.files.images import read_ids, write_png

_MARK = np.array([255, 0, 255], np.uint8)
"""The colour of differing pixels in the picture; no label has it."""


class Tally(NamedTuple):
    """Pixels of an official mask, and those of them that were drawn differently.

    A boundary pixel is one with another label beside, above or below it in the official mask.
    """

    pixels: int = 0
    differing: int = 0
    boundary: int = 0
    boundary_differing: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """The pixels of both."""
        return Tally(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass
class Agreement:
    """Tallies, summed up over images."""

    total: Tally = field(default_factory=Tally)
    labels: dict[int, Tally] = field(default_factory=dict)
    """By label id in the official masks."""
    images: dict[str, Tally] = field(default_factory=dict)
    worst: Work | None = None
    """The image with the most differing pixels, the first of several; None where none differs."""

    def add(self, other: "Agreement") -> None:
        """Take in other images."""
        if other.worst and (self.worst is None or other.differing > self.images[self.worst.name].differing):
            self.worst = other.worst
        self.total = self.total.plus(other.total)
        for label_id, tally in other.labels.items():
            self.labels[label_id] = self.labels.get(label_id, Tally()).plus(tally)
        self.images |= other.images

    @property
    def differing(self) -> int:
        """Pixels that differ."""
        return self.total.differing


def compare(work: Work, drawn: IdArray, official: IdArray) -> Agreement:
    """Compare two (H, W) masks of label ids of one size."""
    differing = drawn != official
    boundary = boundaries(official)
    code = (
        official.astype(np.uint32) + (differing.astype(np.uint32) << 16) + (boundary.astype(np.uint32) << 17)
    ).ravel()
    starts = np.concatenate(([0], np.flatnonzero(code[1:] != code[:-1]) + 1))  # of runs: fewer to count than pixels
    sums = np.bincount(code[starts], weights=np.diff(starts, append=code.size), minlength=1 << 18)
    count = sums.astype(np.int64).reshape(2, 2, 1 << 16)  # boundary, differing, label id
    labels = {
        int(label_id): Tally(
            int(count[:, :, label_id].sum()),
            int(count[:, 1, label_id].sum()),
            int(count[1, :, label_id].sum()),
            int(count[1, 1, label_id]),
        )
        for label_id in count.sum(axis=(0, 1)).nonzero()[0]
    }
    total = Tally()
    for tally in labels.values():
        total = total.plus(tally)
    return Agreement(total, labels, {work.name: total}, work if total.differing else None)


def boundaries(ids: IdArray) -> npt.NDArray[np.bool_]:
    """The (H, W) pixels that have another id beside, above or below them."""
    found = np.zeros(ids.shape, np.bool_)
    beside, above = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    found[:, 1:] |= beside
    found[:, :-1] |= beside
    found[1:] |= above
    found[:-1] |= above
    return found


def report(agreement: Agreement, folder: Path, table: LabelTable) -> list[str]:
    """What to print: one line where all pixels agree, else also every label and the images that differ most.

    The folder of the masks gets agreement.csv and, where pixels differ, agreement_worst.png.
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
        f"  all of it: {folder / 'agreement.csv'}; where {agreement.worst.name} differs: {picture}",
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
    for label_id, tally in sorted(agreement.labels.items()):
        counts = f"{tally.pixels:>14,}{tally.differing:>12,}{tally.boundary_differing:>13,}"
        lines.append(f"  {_name(label_id, table):<22}{counts}{_percent(tally):>12}")
    worst = sorted(agreement.images.items(), key=lambda item: (-item[1].differing, item[0]))
    return lines + [f"  {name}: {tally.differing:,} pixels differ" for name, tally in worst[:images] if tally.differing]


def as_csv(agreement: Agreement, table: LabelTable) -> str:
    """Every tally as a row: the whole, each label, each image."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["of", "name", *Tally._fields, "agreement"])
    rows = [("all", "all", agreement.total)]
    for label_id, tally in sorted(agreement.labels.items()):
        rows.append(("label", _name(label_id, table), tally))
    rows += [("image", name, tally) for name, tally in sorted(agreement.images.items())]
    for kind, name, tally in rows:
        writer.writerow([kind, name, *tally, f"{(tally.pixels - tally.differing) / max(1, tally.pixels):.8f}"])
    return buffer.getvalue()


def picture_of(work: Work, table: LabelTable) -> UInt8Array:
    """The official mask of an image in pale colours, what was drawn differently in magenta and widened.

    Returns:
        (H, W, 3) RGB.
    """
    official = read_ids(work.official_mask("labelIds"))
    differing = read_ids(work.generated_mask("labelId")) != official
    pale = (160 + table.color_of[official] // 3).astype(np.uint8)
    wide = differing | boundaries(differing.astype(np.uint8))
    pale[wide] = _MARK
    return pale


def _name(label_id: int, table: LabelTable) -> str:
    return table.names.get(label_id, f"unknown id {label_id}")


def _percent(tally: Tally) -> str:
    """The agreement as a percentage that says 100 only where it is exact."""
    if not tally.differing:
        return "100 %"
    return f"{min(100 * (1 - tally.differing / tally.pixels), 99.9999):.4f} %"
