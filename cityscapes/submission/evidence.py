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
from cityscapes.layout import IMAGE_SIZE, SPLITS, Scene, labelled_scenes, pictured_scenes, require_root
from cityscapes.official_counts import SPLIT_OF
from cityscapes.predictions import MINUS_ONE
from cityscapes.submission import id_check, parcel, pngs
from cityscapes.submission.drafts import Draft, grey
from engine.errors import Faults, InputError
from engine.files.images import image_size, read_ids
from engine.findings import Finding, counted, fault

Ids = Literal["auto", "train", "label"]

_COMPARED = 20
"""Predictions that are compared with the ground truth, evenly spread over all."""
_SETTLE = "say what they are: --ids train or --ids label"


class Known:
    """The images and the ground truth under a data folder, of any split; nothing without one."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self._images: dict[str, Scene] = {}
        self._masks: dict[str, Scene] = {}
        if root is not None:
            require_root(root)
            for split in SPLITS:
                self._images |= {scene.stem: scene for scene in pictured_scenes(root, split)}
                self._masks |= {scene.stem: scene for scene in labelled_scenes(root, split)}

    def mask(self, stem: str) -> Path | None:
        """The official label ids of an image."""
        scene = self._masks.get(stem)
        return scene.official_mask(self.root, "labelIds") if self.root and scene else None

    def sized(self, stem: str) -> Path | None:
        """A file that has the size of an image: itself, or its mask."""
        scene = self._images.get(stem)
        return scene.image(self.root) if self.root and scene else self.mask(stem)


def split_of(drafts: Sequence[Draft]) -> str:
    """The split that most predictions belong to by their cities; unknown cities count as those of test."""
    splits = Counter(SPLIT_OF.get(draft.stem.split("_", maxsplit=1)[0], "test") for draft in drafts)
    return splits.most_common(1)[0][0]


def sizes(drafts: Sequence[Draft], known: Known) -> Iterator[Finding]:
    """Predictions of another size than their image, or than the official ones where that is not known.

    Raises:
        InputError: with every image that cannot be read.
    """
    wrong: dict[str, list[str]] = {}
    faults = Faults()
    official = "the official images, because --root has none of theirs" if known.root else "the official images"
    for draft in drafts:
        path, got = known.sized(draft.stem), draft.look.size
        with faults.collected():
            right = image_size(path) if path else IMAGE_SIZE
            if got is not None and got != right:
                whose = "their images under --root" if path else official
                detail = f"{draft.member.name}: got {got[0]} x {got[1]}, expected {right[0]} x {right[1]}"
                wrong.setdefault(whose, []).append(detail)
    faults.require_none()
    hint = "" if known.root else "; --root compares with the images of a folder instead"
    for whose, names in wrong.items():
        what = f"got {counted(len(names), 'prediction')} of another size than {whose}"
        yield fault("size", what, f"predict at full size, or enlarge the logits before the argmax{hint}", names)


def kind_of(path: Path, drafts: Sequence[Draft], known: Known, ids: Ids) -> tuple[IdKind, list[Finding]]:
    """What the ids are, and why that is not certain; ids that need no conversion count as label ids.

    The ground truth decides where there is one, else how frequent each id is, see `id_kind`.
    """
    if ids != "auto":
        return ("train ids" if ids == "train" else "label ids"), []
    pixels = np.sum([draft.look.pixels for draft in drafts], 0) if drafts else np.zeros(256, np.int64)
    agreeing = id_kind.agreement(_confusion(path, drafts, known))
    kind = id_kind.by_truth(agreeing) if any(agreeing.values()) else id_kind.by_shares(pixels)
    doubts = [_doubt(drafts, pixels, agreeing), *_others(drafts, None)] if kind is None else _others(drafts, kind)
    found = [doubt for doubt in doubts if doubt is not None]
    return ("train ids" if kind == "train ids" else "label ids"), found


def _doubt(drafts: Sequence[Draft], pixels: npt.NDArray[np.int64], agreeing: Mapping[IdKind, float]) -> Finding | None:
    """Ids that are hardly label ids, and that the evidence does not show to be train ids either."""
    only_void = pixels.any() and not pixels[1:].any()
    if not (only_void or id_kind.suspicious(pixels)):
        return None
    if any(agreeing.values()):
        shares = ", ".join(f"{100 * share:.1f} % as {name}" for name, share in agreeing.items())
        return _ids(drafts, f"of the ground truth {shares} are right", _SETTLE)
    told = "neither as label ids nor as train ids are these as frequent as in street scenes"
    return _ids(drafts, told, f"{_SETTLE}, or give --root with their ground truth")


def _others(drafts: Sequence[Draft], kind: IdKind | None) -> list[Finding]:
    """All files where they are train ids plus 1, else those that are plainly of another kind than all together."""
    if kind == "train ids plus 1":
        return [_ids(drafts, f"these are {kind}", MINUS_ONE)]
    usual = (None, kind or "label ids")
    others = [draft for draft in drafts if id_kind.by_shares(np.array(draft.look.pixels)) not in usual]
    what = f"in {counted(len(others), 'file')}, other ids than in the rest, train ids beside label ids"
    return [_ids(others, what, "predict all images with the same weights and settings again")] if others else []


def _ids(drafts: Sequence[Draft], what: str, remedy: str) -> Finding:
    """A fault of the ids in files."""
    pixels = np.sum([draft.look.pixels for draft in drafts], 0)
    got = f"got only {id_check.listed(np.flatnonzero(pixels).tolist())}: {what}"
    return fault("ids", got, remedy, [draft.member.name for draft in drafts])


def _confusion(path: Path, drafts: Sequence[Draft], known: Known) -> npt.NDArray[np.int64]:
    """(34, 256) pixels of each label id of the ground truth and each id of some predictions that have one."""
    table = np.zeros((max(BY_ID) + 1, 256), np.int64)
    having = [draft for draft in drafts if known.mask(draft.stem)]
    chosen = having[:: max(1, -(-len(having) // _COMPARED))]
    for draft, content in zip(chosen, parcel.read(path, [draft.member for draft in chosen]), strict=True):
        mask = known.mask(draft.stem)
        if isinstance(content, InputError) or mask is None:
            continue
        truth, samples = read_ids(mask), grey(pngs.decoded(content))
        if samples is not None and samples.shape == truth.shape:
            places = np.ravel_multi_index((np.minimum(truth, max(BY_ID)).astype(np.intp), samples), table.shape)
            table += np.bincount(places.ravel(), minlength=table.size).reshape(table.shape)
    return table
