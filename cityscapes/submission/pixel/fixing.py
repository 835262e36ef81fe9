"""Predictions with faults -> a new folder of fixed predictions, if their meaning is certain."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityscapes.id_kind import IdKind
from cityscapes.labels import BY_ID, CLASSES, LABEL_ID_OF, VOID
from cityscapes.layout import stem_in
from cityscapes.predictions import kind_of_name
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.data_folder import DataFolder, split_of
from cityscapes.submission.pixel import evidence, id_check, pngs, predictions
from cityscapes.submission.pixel.fix_plan import FilePlan, as_grey, plan_files
from cityscapes.submission.pixel.predictions import Prediction
from cityscapes.submission.report import FixReport, Ids
from engine.errors import InputError
from engine.files.images import write_png
from engine.files.new_folder import complete_folder, require_new
from engine.findings import Finding, counted, fault, of_severity
from engine.parallel import parallel_map

_HIGHEST = max(BY_ID)
_UNKNOWN = VOID
"""Result of the conversion for ids without a label, which are then refused."""
_FIXABLE_NAMES = ("backslash", "unsafe name")
"""Problems of a file name only: the content is read and written under a new name."""

_REMEDIES = {
    "damaged": "write or copy them again",
    "not a PNG": "write them as PNG, because JPEG alters the ids",
    "colours": "write the label ids: several labels share a colour",
    "values above 255": "write label ids, 0 to 33",
    "bit depth": "write the label ids as uint8",
    "ids": "write label ids, because the meaning of these is unknown",
    "name": "include the name of the image, for example berlin_000000_000019.png",
}


def fix(path: Path, new: Path, root: Path | None = None, *, ids: Ids = "auto", workers: int = 1) -> FixReport:
    """Write fixed copies of the predictions in a folder or zip to a new folder.

    Train ids become label ids, 255 becomes 0, palette images, grey stored as RGB and 16 bits become 8-bit grey, and
    every file is named `<city>/<stem>.png`.

    Args:
        path: folder or zip of predictions.
        new: the folder to write.
        root: data folder. Sizes are compared with its images, and ids with its ground truth if it exists. Without it,
            every prediction must have the official size.
        ids: kind of the ids; auto decides by evidence, see `evidence.kind_of`.
        workers: number of processes.

    Raises:
        InputError: with everything that cannot be fixed with certainty; nothing is written in that case.
    """
    require_new(path, new)
    entries = [entry for entry in archive_reader.entries(path) if kind_of_name(entry.name) != "hidden"]
    archive_reader.require_at_most(path, entries, archive_reader.MAX_FILES)
    data = DataFolder(root)
    plans, findings = _planned_files(path, entries, workers)
    plans, more = _one_per_image(plans)
    findings += [*more, *evidence.sizes(plans, data)]
    kind, doubts = evidence.kind_of(path, plans, data, ids)
    table, ids_change = _table(plans, kind)
    findings += doubts or _unknown_ids(plans, table)
    if not plans and not findings:
        raise InputError(f"{path}: got no PNG file, expected predictions; predict first")
    if findings:
        raise InputError(*(f"{path}: cannot be fixed: {finding}" for finding in findings))
    split = split_of(plan.stem for plan in plans)
    remaining = _remaining(plans, root) if split == "test" else ()
    _write(path, new, plans, table, workers)
    changes = Counter(plan.change for plan in plans if plan.change)
    changes.update({ids_change: len(plans)} if ids_change else {})
    changes["renamed or moved"] = sum(plan.entry.name != _name(plan.stem) for plan in plans)
    return FixReport(len(plans), {change: number for change, number in changes.items() if number}, remaining, split)


def _name(stem: str) -> str:
    return f"{stem.split('_', maxsplit=1)[0]}/{stem}.png"


def _planned_files(path: Path, entries: Sequence[Entry], workers: int) -> tuple[list[FilePlan], list[Finding]]:
    """Plans for the files that can be fixed, and the faults of the others."""
    pictures = [entry for entry in entries if kind_of_name(entry.name) != "other"]
    readable = [entry for entry in pictures if entry.problem in (None, *_FIXABLE_NAMES)]
    findings = list(archive_reader.faults_of([entry for entry in entries if entry.problem not in _FIXABLE_NAMES]))
    refused: dict[str, list[str]] = {kind: [] for kind in _REMEDIES}
    plans = []
    for plan in plan_files(path, readable, workers):
        if plan.mask.problem is not None:
            refused[plan.mask.problem].append(f"{plan.entry.name}: {plan.mask.detail}")
        elif not plan.stem:
            refused["name"].append(plan.entry.name)
        else:
            plans.append(plan)
    findings += [_refused(kind, names) for kind, names in refused.items() if names and kind != "colours"]
    return plans, findings + _colours(refused["colours"], plans)


def _colours(names: Sequence[str], plans: Sequence[FilePlan]) -> list[Finding]:
    """A fault for colour images, except those whose image also has an id mask, which are left out."""
    masked = {plan.stem for plan in plans}
    alone = [name for name in names if stem_in(name.rpartition(": ")[0]) not in masked]
    return [_refused("colours", alone)] if alone else []


def _refused(kind: str, names: Sequence[str]) -> Finding:
    return fault(kind, f"got {counted(len(names), 'file')}", _REMEDIES[kind], names)


def _one_per_image(plans: Sequence[FilePlan]) -> tuple[list[FilePlan], list[Finding]]:
    """One plan for each image, and a fault for images with several files."""
    by_stem: dict[str, list[FilePlan]] = {}
    for plan in plans:
        by_stem.setdefault(plan.stem, []).append(plan)
    doubled = [" and ".join(plan.entry.name for plan in same) for same in by_stem.values() if len(same) > 1]
    what = f"got more than one prediction for {counted(len(doubled), 'image')}, expected one prediction"
    faults = [fault("duplicates", what, "keep the one with label ids", doubled)] if doubled else []
    return [same[0] for same in by_stem.values()], faults


def _table(plans: Sequence[FilePlan], kind: IdKind) -> tuple[npt.NDArray[np.uint8], str]:
    """(256,) id -> label id for all files, and the description of this conversion."""
    if kind == "train ids":
        table = np.full(256, _UNKNOWN, np.uint8)
        table[: len(CLASSES) + 1], table[VOID] = LABEL_ID_OF[: len(CLASSES) + 1], 0
        return table, "train ids to label ids"
    table = np.arange(256).astype(np.uint8)
    table[VOID] = 0
    return table, "255 to 0, unlabeled" if any(plan.mask.pixels[VOID] for plan in plans) else ""


def _unknown_ids(plans: Sequence[FilePlan], table: npt.NDArray[np.uint8]) -> list[Finding]:
    """A fault for files with ids that have no label."""
    names = []
    for plan in plans:
        ids = np.flatnonzero(plan.mask.pixels)
        unknown = ids[table[ids] > _HIGHEST]
        if unknown.size:
            names.append(f"{plan.entry.name}: {id_check.listed(unknown.tolist())}")
    return [_refused("ids", names)] if names else []


def _remaining(plans: Sequence[FilePlan], root: Path | None) -> tuple[Finding, ...]:
    """Faults that other predictions of the test set must fix."""
    if root is None:
        return ()
    fixed = [Prediction(plan.stem, _name(plan.stem), plan.mask) for plan in plans]
    return of_severity("fault", predictions.findings(fixed, completeness.expected_images(root)))


def _write(path: Path, new: Path, plans: Sequence[FilePlan], table: npt.NDArray[np.uint8], workers: int) -> None:
    """Write all files to the new folder."""
    with complete_folder(new) as part:
        batches = [(path, part, batch, table) for batch in archive_reader.batches(plans, workers)]
        for _, done in parallel_map(_write_batch, batches, workers=workers, title="fix"):
            if isinstance(done, InputError):
                raise done


def _write_batch(batch: tuple[Path, Path, Sequence[FilePlan], npt.NDArray[np.uint8]]) -> None:
    path, part, plans, table = batch
    for plan, content in zip(plans, archive_reader.read(path, [plan.entry for plan in plans]), strict=True):
        if isinstance(content, InputError):
            raise InputError(f"{path}: {plan.entry.name}: {content}; nothing was written, run the command again")
        samples = as_grey(pngs.decode(content))
        if samples is None:
            raise InputError(f"{path}: {plan.entry.name}: changed while it was being fixed; run the command again")
        write_png(part / _name(plan.stem), table[samples])
