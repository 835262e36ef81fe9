"""Options of drawing ground truth."""

import functools
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityscapes.ground_truth.panoptic import KIND as PANOPTIC
from cityscapes.ground_truth.panoptic import Variant
from cityscapes.ground_truth.worklist import Job
from cityscapes.labels import OFFICIAL, LabelTable
from engine.errors import InputError
from engine.files import png_writer

SOFTWARE = "generate_gt.py"
"""Note in all masks written here; it distinguishes them from the official masks."""


@dataclass(frozen=True)
class MaskOptions:
    """Options that decide which masks are made, and how."""

    fill: str = "exact"
    """Polygon fill rule, a key of `polygons.FILLS`."""
    table: LabelTable = OFFICIAL
    """Label table of the annotations."""
    from_labels: bool = False
    """Make train ids and colours from the official label ids, without polygons."""
    official_names: bool = False
    """Write masks also next to the polygons, under the names that other tools expect."""
    instance_ids: bool = False
    """Whether to make masks of instance ids."""
    panoptic: bool = False
    """Whether to make panoptic ground truth with label ids as category ids."""
    panoptic_train_ids: bool = False
    """Whether to make panoptic ground truth with train ids as category ids."""
    redo: bool = False
    """Make all masks again, even those that are up to date."""

    def __post_init__(self) -> None:
        if self.from_labels and (self.instance_ids or self.fill != "exact"):
            raise InputError(
                "--from_labels makes no instance ids and fills no polygons; leave out --instance_ids and --fill"
            )

    @property
    def kinds(self) -> list[str]:
        """The kinds of masks to make for each image."""
        chosen = {
            "labelId": not self.from_labels,
            "trainId": True,
            "color": True,
            "instanceId": self.instance_ids,
            PANOPTIC: self.panoptic or self.panoptic_train_ids,
        }
        return [kind for kind, wanted in chosen.items() if wanted]

    @property
    def variants(self) -> list[Variant]:
        """The variants of panoptic ground truth to make for each split, first those in the folder of the masks."""
        chosen = {False: self.panoptic, True: self.panoptic_train_ids}
        places = (False, True) if self.official_names else (False,)
        return [Variant(official, ids) for official in places for ids, wanted in chosen.items() if wanted]

    def source(self, job: Job, kind: str) -> Path:
        """The file that a mask of this kind is made from."""
        if not self.from_labels:
            return job.polygons
        return job.official_mask("instanceIds" if kind == PANOPTIC else "labelIds")

    @functools.cached_property
    def lookups(self) -> dict[str, png_writer.Lookup]:
        """Kind of mask -> lookup from label ids to pixel values."""
        return {
            "labelId": png_writer.Lookup(np.arange(256, dtype=np.uint8)),
            "trainId": png_writer.Lookup(self.table.train_id_of),
            "color": png_writer.Lookup(self.table.color_of),
        }

    @functools.cached_property
    def note(self) -> str:
        """Text that is noted in the masks: the program and the settings that differ from the default."""
        words = [SOFTWARE]
        if self.fill != "exact" and not self.from_labels:
            words.append(f"fill={self.fill}")
        if self.table.labels != OFFICIAL.labels:
            words.append(f"labels={zlib.crc32(repr(self.table.labels).encode()):08x}")
        return " ".join(words)
