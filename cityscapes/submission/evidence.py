"""What is certain about predictions that shall be fixed: their sizes and the kind of their ids."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from cityscapes import id_kind
from cityscapes.id_kind import IdKind
from cityscapes.labels import BY_ID
from cityscapes.layout import IMAGE_SIZE, SPLITS, Scene, pictured_scenes, require_root, scenes_with_label_ids
from cityscapes.official_counts import SPLIT_OF
from cityscapes.predictions import SUBTRACT_ONE
from cityscapes.submission import archive_reader, id_check, pngs
from cityscapes.submission.fix_plan import FilePlan, as_grey
from engine.errors import Faults, InputError
from engine.files.images import image_size, read_ids
from engine.findings import Finding, counted, fault

Ids = Literal["auto", "train", "label"]

_COMPARED = 20
"""Predictions that are compared with the ground truth, evenly spread over all."""
_SETTLE = "say what they are: --ids train or --ids label"


class DataFolder:
    """The images and the ground truth under a data folder, of any split; nothing without one."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self._images: dict[str, Scene] = {}
        self._masks: dict[str, Scene] = {}
        if root is not None:
            require_root(root)
            for split in SPLITS:
                self._images |= {scene.stem: scene for scene in pictured_scenes(root, split)}
                self._masks |= {scene.stem: scene for scene in scenes_with_label_ids(root, split)}

    def mask(self, stem: str) -> Path | None:
        """The official label ids of an image."""
        scene = self._masks.get(stem)
        return scene.official_mask(self.root, "labelIds") if self.root and scene else None

    def file_with_size(self, stem: str) -> Path | None:
        """A file that has the size of an image: itself, or its mask."""
        scene = self._images.get(stem)
        return scene.image(self.root) if self.root and scene else self.mask(stem)


def split_of(plans: Sequence[FilePlan]) -> str:
    """The split that most predictions belong to by their cities; unknown cities count as those of test."""
    splits = Counter(SPLIT_OF.get(plan.stem.split("_", maxsplit=1)[0], "test") for plan in plans)
    return splits.most_common(1)[0][0]


def sizes(plans: Sequence[FilePlan], data: DataFolder) -> Iterator[Finding]:
    """Predictions of another size than their image, or than the official ones where that is not known.

    Raises:
        InputError: with every image that cannot be read.
    """
    wrong: dict[str, list[str]] = {}
    faults = Faults()
    official = "the official images, because --root has none of theirs" if data.root else "the official images"
    for plan in plans:
        path, got = data.file_with_size(plan.stem), plan.mask.size
        with faults.collected():
            right = image_size(path) if path else IMAGE_SIZE
            if got is not None and got != right:
                whose = "their images under --root" if path else official
                detail = f"{plan.entry.name}: got {got[0]} x {got[1]}, expected {right[0]} x {right[1]}"
                wrong.setdefault(whose, []).append(detail)
    faults.require_none()
    hint = "" if data.root else "; --root compares with the images of a folder instead"
    for whose, names in wrong.items():
        what = f"got {counted(len(names), 'prediction')} of another size than {whose}"
        yield fault("size", what, f"predict at full size, or enlarge the logits before the argmax{hint}", names)


def kind_of(path: Path, plans: Sequence[FilePlan], data: DataFolder, ids: Ids) -> tuple[IdKind, list[Finding]]:
    """What the ids are, and why that is not certain; ids that need no conversion count as label ids.

    The ground truth decides where there is one, else how frequent each id is, see `id_kind`.
    """
    if ids != "auto":
        return ("train ids" if ids == "train" else "label ids"), []
    pixels = np.sum([plan.mask.pixels for plan in plans], 0) if plans else np.zeros(256, np.int64)
    agreements = id_kind.agreement(_confusion(path, plans, data))
    kind = id_kind.by_ground_truth(agreements) if any(agreements.values()) else id_kind.by_frequency(pixels)
    doubts = (
        [_uncertain_ids(plans, pixels, agreements), *_mixed_ids(plans, None)]
        if kind is None
        else _mixed_ids(plans, kind)
    )
    found = [doubt for doubt in doubts if doubt is not None]
    return ("train ids" if kind == "train ids" else "label ids"), found


def _uncertain_ids(
    plans: Sequence[FilePlan], pixels: npt.NDArray[np.int64], agreements: Mapping[IdKind, float]
) -> Finding | None:
    """Ids that are hardly label ids, and that the evidence does not show to be train ids either."""
    only_void = pixels.any() and not pixels[1:].any()
    if not (only_void or id_kind.unlikely_label_ids(pixels)):
        return None
    if any(agreements.values()):
        shares = ", ".join(f"{100 * share:.1f} % as {name}" for name, share in agreements.items())
        return _id_fault(plans, f"of the ground truth {shares} are right", _SETTLE)
    what = "neither as label ids nor as train ids are these as frequent as in street scenes"
    return _id_fault(plans, what, f"{_SETTLE}, or give --root with their ground truth")


def _mixed_ids(plans: Sequence[FilePlan], kind: IdKind | None) -> list[Finding]:
    """All files where they are train ids plus 1, else those that are plainly of another kind than all together."""
    if kind == "train ids plus 1":
        return [_id_fault(plans, f"these are {kind}", SUBTRACT_ONE)]
    usual = (None, kind or "label ids")
    others = [plan for plan in plans if id_kind.by_frequency(np.array(plan.mask.pixels)) not in usual]
    what = f"in {counted(len(others), 'file')}, other ids than in the rest, train ids beside label ids"
    return [_id_fault(others, what, "predict all images with the same weights and settings again")] if others else []


def _id_fault(plans: Sequence[FilePlan], what: str, remedy: str) -> Finding:
    """A fault of the ids in files."""
    pixels = np.sum([plan.mask.pixels for plan in plans], 0)
    got = f"got only {id_check.listed(np.flatnonzero(pixels).tolist())}: {what}"
    return fault("ids", got, remedy, [plan.entry.name for plan in plans])


def _confusion(path: Path, plans: Sequence[FilePlan], data: DataFolder) -> npt.NDArray[np.int64]:
    """(34, 256) pixels of each label id of the ground truth and each id of some predictions that have one."""
    table = np.zeros((max(BY_ID) + 1, 256), np.int64)
    having = [plan for plan in plans if data.mask(plan.stem)]
    chosen = having[:: max(1, -(-len(having) // _COMPARED))]
    for plan, content in zip(chosen, archive_reader.read(path, [plan.entry for plan in chosen]), strict=True):
        mask = data.mask(plan.stem)
        if isinstance(content, InputError) or mask is None:
            continue
        truth, samples = read_ids(mask), as_grey(pngs.decode(content))
        if samples is not None and samples.shape == truth.shape:
            places = np.ravel_multi_index((np.minimum(truth, max(BY_ID)).astype(np.intp), samples), table.shape)
            table += np.bincount(places.ravel(), minlength=table.size).reshape(table.shape)
    return table
