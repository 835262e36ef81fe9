"""Evidence about predictions before they are fixed: their sizes and the kind of their ids."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityscapes import id_kind
from cityscapes.id_kind import IdKind
from cityscapes.labels import BY_ID
from cityscapes.layout import IMAGE_SIZE
from cityscapes.predictions import SUBTRACT_ONE
from cityscapes.submission import archive_reader
from cityscapes.submission.data_folder import DataFolder
from cityscapes.submission.pixel import id_check, pngs
from cityscapes.submission.pixel.fix_plan import FilePlan, as_grey
from cityscapes.submission.report import Ids
from engine.errors import ErrorCollector, InputError
from engine.files.images import image_size, read_ids
from engine.findings import Finding, counted, fault

_COMPARED = 20
"""Number of predictions compared with the ground truth, evenly spread over all."""
_SETTLE = "state their kind: --ids train or --ids label"


def sizes(plans: Sequence[FilePlan], data: DataFolder) -> Iterator[Finding]:
    """Faults of predictions whose size differs from their image, or from the official size if the image is not known.

    Raises:
        InputError: with every image that cannot be read.
    """
    wrong: dict[str, list[str]] = {}
    faults = ErrorCollector()
    official = "the official one, because --root does not have the image" if data.root else "the official one"
    for plan in plans:
        path, got = data.file_with_size(plan.stem), plan.mask.size
        with faults.collect():
            right = image_size(path) if path else IMAGE_SIZE
            if got is not None and got != right:
                whose = "the image under --root" if path else official
                detail = f"{plan.entry.name}: got {got[0]} x {got[1]}, expected {right[0]} x {right[1]}"
                wrong.setdefault(whose, []).append(detail)
    faults.raise_if_any()
    hint = "" if data.root else "; to compare with other images, give their --root"
    for whose, names in wrong.items():
        what = f"got {counted(len(names), 'prediction')} of a different size than {whose}"
        yield fault("size", what, f"predict at full size, or enlarge the logits before the argmax{hint}", names)


def kind_of(path: Path, plans: Sequence[FilePlan], data: DataFolder, ids: Ids) -> tuple[IdKind, list[Finding]]:
    """The kind of the ids, and faults if it is not certain; ids that need no conversion count as label ids.

    The ground truth decides if there is one, otherwise the frequency of each id, see `id_kind`.
    """
    if ids != "auto":
        return ("train ids" if ids == "train" else "label ids"), []
    pixels = np.sum([plan.mask.pixels for plan in plans], 0) if plans else np.zeros(256, np.int64)
    agreements = id_kind.agreement(_confusion(path, plans, data))
    kind = id_kind.by_ground_truth(agreements) if any(agreements.values()) else id_kind.by_frequency(pixels)
    findings = _mixed_ids(plans, kind)
    if kind is None and (uncertain := _uncertain_ids(plans, pixels, agreements)) is not None:
        findings.insert(0, uncertain)
    return ("train ids" if kind == "train ids" else "label ids"), findings


def _uncertain_ids(
    plans: Sequence[FilePlan], pixels: npt.NDArray[np.int64], agreements: Mapping[IdKind, float]
) -> Finding | None:
    """A fault for ids that are unlikely to be label ids, without evidence that they are train ids."""
    only_void = pixels.any() and not pixels[1:].any()
    if not (only_void or id_kind.unlikely_label_ids(pixels)):
        return None
    if any(agreements.values()):
        shares = ", ".join(f"{100 * share:.1f} % as {name}" for name, share in agreements.items())
        return _id_fault(plans, f"the agreement with the ground truth is {shares}", _SETTLE)
    what = "their frequencies match neither the label ids nor the train ids of street scenes"
    return _id_fault(plans, what, f"{_SETTLE}, or give --root with their ground truth")


def _mixed_ids(plans: Sequence[FilePlan], kind: IdKind | None) -> list[Finding]:
    """Faults of all files if their ids are train ids plus 1, otherwise of files with clearly another kind of ids."""
    if kind == "train ids plus 1":
        return [_id_fault(plans, f"these are {kind}", SUBTRACT_ONE)]
    usual = (None, kind or "label ids")
    others = [plan for plan in plans if id_kind.by_frequency(np.array(plan.mask.pixels)) not in usual]
    what = f"the kind of ids in {counted(len(others), 'file')} differs from the other files"
    return [_id_fault(others, what, "predict all images with the same weights and settings again")] if others else []


def _id_fault(plans: Sequence[FilePlan], what: str, remedy: str) -> Finding:
    """A fault that lists the ids in some files."""
    pixels = np.sum([plan.mask.pixels for plan in plans], 0)
    got = f"got only {id_check.listed(np.flatnonzero(pixels).tolist())}: {what}"
    return fault("ids", got, remedy, [plan.entry.name for plan in plans])


def _confusion(path: Path, plans: Sequence[FilePlan], data: DataFolder) -> npt.NDArray[np.int64]:
    """(34, 256) pixels of each label id of the ground truth and each predicted id, over a sample of predictions."""
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
