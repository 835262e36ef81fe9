"""Predictions with faults -> a new folder of predictions, where it is certain what they are."""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityscapes.id_kind import IdKind
from cityscapes.labels import BY_ID, CLASSES, LABEL_ID_OF, VOID
from cityscapes.predictions import kind_of_name
from cityscapes.submission import evidence, id_check, parcel, pngs, roll_call
from cityscapes.submission.drafts import Draft, examine, grey, stem_in
from cityscapes.submission.evidence import Ids
from cityscapes.submission.parcel import Member
from cityscapes.submission.roll_call import Prediction
from engine.errors import InputError
from engine.files.atomic import require_writable
from engine.files.images import write_png
from engine.findings import Finding, counted, fault, of_severity
from engine.parallel import each

_HIGHEST = max(BY_ID)
_FOREIGN = VOID
"""What becomes of ids that are in no table, until they are refused."""
_FIXABLE_NAMES = ("backslash", "unsafe name")
"""Troubles of a member's name alone: its content is read, and gets a name of its own."""

_REMEDIES = {
    "damaged": "write or copy them again",
    "no PNG": "write them as PNG; JPEG alters the ids",
    "colours": "write the label ids: several labels share a colour",
    "values above 255": "write label ids, 0 to 33",
    "bit depth": "write the label ids as uint8",
    "ids": "write label ids: nobody but the writer knows what these mean",
    "name": "put the name of the image into it, as berlin_000000_000019.png",
    "several": "keep one of each image",
}


@dataclass(frozen=True)
class Fixed:
    """What was done."""

    predictions: int
    changes: dict[str, int]
    """What was changed -> number of files."""
    remaining: tuple[Finding, ...]
    """What the check still finds, which needs other predictions; empty where the images are not known."""
    split: str = "test"
    """The split that most predictions belong to."""


def fix(path: Path, new: Path, root: Path | None = None, *, ids: Ids = "auto", workers: int = 1) -> Fixed:
    """Write the predictions of a folder or zip to a new folder, fixed; the old ones are only read.

    Train ids become label ids, 255 becomes 0, palette images, grey stored as RGB and 16 bits become 8-bit grey, and
    every file is named `<city>/<stem>.png`.

    Args:
        path: folder or zip of predictions.
        new: the folder to write.
        root: data folder; sizes are compared with its images, and ids with its ground truth where it has that. Without
            it, every prediction must have the official size.
        ids: what the ids are; auto is what the evidence says, see `evidence.kind_of`.
        workers: processes.

    Raises:
        InputError: with everything that cannot be fixed with certainty, if there is any; then nothing is written.
    """
    _require_new(path, new)
    members = [member for member in parcel.members(path) if kind_of_name(member.name) != "hidden"]
    known = evidence.Known(root)
    drafts, findings = _drafts(path, members, workers)
    drafts, more = _one_each(drafts)
    findings += [*more, *evidence.sizes(drafts, known)]
    kind, doubts = evidence.kind_of(path, drafts, known, ids)
    table, ids_change = _table(drafts, kind)
    findings += doubts or _foreign(drafts, table)
    if not drafts and not findings:
        raise InputError(f"{path}: got no PNG of an image, expected predictions; predict first")
    if findings:
        raise InputError(*(f"{path}: cannot be fixed: {finding}" for finding in findings))
    split = evidence.split_of(drafts)
    remaining = _remaining(drafts, root) if split == "test" else ()
    _write(path, new, drafts, table, workers)
    changes = Counter(draft.change for draft in drafts if draft.change)
    changes.update({ids_change: len(drafts)} if ids_change else {})
    changes["named and placed anew"] = sum(draft.member.name != _name(draft.stem) for draft in drafts)
    return Fixed(len(drafts), {change: number for change, number in changes.items() if number}, remaining, split)


def _require_new(path: Path, new: Path) -> None:
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise InputError(f"{new}: is there already; choose a new folder, what is there is never changed")
    if path.is_dir() and new.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{new}: lies within {path}, which is only read; choose a new folder outside it")
    require_writable(new.parent)


def _name(stem: str) -> str:
    return f"{stem.split('_', maxsplit=1)[0]}/{stem}.png"


def _drafts(path: Path, members: Sequence[Member], workers: int) -> tuple[list[Draft], list[Finding]]:
    """The files that can be fixed, and what is wrong with the others."""
    pictures = [member for member in members if kind_of_name(member.name) != "other"]
    readable = [member for member in pictures if member.trouble in (None, *_FIXABLE_NAMES)]
    findings = list(parcel.troubles([member for member in members if member.trouble not in _FIXABLE_NAMES]))
    refused: dict[str, list[str]] = {kind: [] for kind in _REMEDIES}
    drafts = []
    for draft in examine(path, readable, workers):
        if draft.look.trouble is not None:
            refused[draft.look.trouble].append(f"{draft.member.name}: {draft.look.detail}")
        elif not draft.stem:
            refused["name"].append(draft.member.name)
        else:
            drafts.append(draft)
    findings += [_refusal(kind, names) for kind, names in refused.items() if names and kind != "colours"]
    return drafts, findings + _colours(refused["colours"], drafts)


def _colours(names: Sequence[str], drafts: Sequence[Draft]) -> list[Finding]:
    """Colour images are left out where their image has an id mask as well."""
    masked = {draft.stem for draft in drafts}
    alone = [name for name in names if stem_in(name.rpartition(": ")[0]) not in masked]
    return [_refusal("colours", alone)] if alone else []


def _refusal(kind: str, names: Sequence[str]) -> Finding:
    return fault(kind, f"got {counted(len(names), 'file')}", _REMEDIES[kind], names)


def _one_each(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Finding]]:
    """One draft of each image, and the images that have several."""
    by_stem: dict[str, list[Draft]] = {}
    for draft in drafts:
        by_stem.setdefault(draft.stem, []).append(draft)
    doubled = [" and ".join(draft.member.name for draft in same) for same in by_stem.values() if len(same) > 1]
    return [same[0] for same in by_stem.values()], [_refusal("several", doubled)] if doubled else []


def _table(drafts: Sequence[Draft], kind: IdKind) -> tuple[npt.NDArray[np.uint8], str]:
    """(256,) id -> label id for all files, and what it does."""
    if kind == "train ids":
        table = np.full(256, _FOREIGN, np.uint8)
        table[: len(CLASSES) + 1], table[VOID] = LABEL_ID_OF[: len(CLASSES) + 1], 0
        return table, "train ids to label ids"
    table = np.arange(256).astype(np.uint8)
    table[VOID] = 0
    return table, "255 to 0, unlabeled" if any(draft.look.pixels[VOID] for draft in drafts) else ""


def _foreign(drafts: Sequence[Draft], table: npt.NDArray[np.uint8]) -> list[Finding]:
    """Ids that are in no table."""
    names = []
    for draft in drafts:
        ids = np.flatnonzero(draft.look.pixels)
        foreign = ids[table[ids] > _HIGHEST]
        if foreign.size:
            names.append(f"{draft.member.name}: {id_check.listed(foreign.tolist())}")
    return [_refusal("ids", names)] if names else []


def _remaining(drafts: Sequence[Draft], root: Path | None) -> tuple[Finding, ...]:
    """What other predictions of the test set are needed for."""
    if root is None:
        return ()
    predictions = [Prediction(draft.stem, _name(draft.stem), draft.look) for draft in drafts]
    return of_severity("fault", roll_call.findings(predictions, roll_call.wanted(root)))


def _write(path: Path, new: Path, drafts: Sequence[Draft], table: npt.NDArray[np.uint8], workers: int) -> None:
    """Write all files beside the new folder, which gets its name when they are complete."""
    part = new.with_name(f".{new.name}.{os.getpid()}.part")
    batches = [(path, part, batch, table) for batch in parcel.batches(drafts, workers)]
    try:
        for _, done in each(_write_batch, batches, workers=workers, title="fix"):
            if isinstance(done, InputError):
                raise done
        part.replace(new)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, InputError):  # nobody has given the name of the unfinished folder
            raise InputError(*(message.replace(str(part), str(new)) for message in error.messages)) from error
        raise


def _write_batch(batch: tuple[Path, Path, Sequence[Draft], npt.NDArray[np.uint8]]) -> None:
    path, part, drafts, table = batch
    for draft, content in zip(drafts, parcel.read(path, [draft.member for draft in drafts]), strict=True):
        if isinstance(content, InputError):
            raise InputError(f"{path}: {draft.member.name}: {content}; nothing was written, run it again")
        samples = grey(pngs.decoded(content))
        if samples is None:
            raise InputError(f"{path}: {draft.member.name}: changed meanwhile; run it again")
        write_png(part / _name(draft.stem), table[samples])
