"""Predictions of the instance task with faults -> a new folder of fixed ones, if their meaning is certain."""

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import instance
from cityscapes.formats.instance import InstanceLine
from cityscapes.labels import BY_TRAIN_ID
from cityscapes.predictions import kind_of_name
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import Size
from cityscapes.submission.data_folder import DataFolder, split_of
from cityscapes.submission.fault_counts import FaultCounts, Kind
from cityscapes.submission.instance.checking import are_train_ids
from cityscapes.submission.instance.fix_plan import Plans, TextPlan, plan_texts
from cityscapes.submission.instance.images import mask_problem
from cityscapes.submission.instance.kinds import IDS, KINDS
from cityscapes.submission.report import FixReport, Ids, refuse_to_fix
from engine.errors import ErrorCollector, InputError
from engine.files import png_chunks
from engine.files.atomic import write_bytes, write_text
from engine.files.new_folder import complete_folder, require_new
from engine.findings import Finding, of_severity
from engine.parallel import parallel_map

_FIXABLE_NAMES = ("backslash", "unsafe name")
"""Problems of a file name only: the content is read and written under a new name."""
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}", re.ASCII)
_LABELS = "write the label id of person, rider or a vehicle, and leave out other lines"
_REFUSED = {
    "name": Kind("text file", "without the name of an image", "include it, for example berlin_000000_000019.txt"),
    "duplicates": Kind("image", "with more than one text file", "keep one text file for each image"),
    "fields": Kind("line", "without a path, a label id and a finite confidence", "write all three, with single blanks"),
    "label": Kind("line", "with a label that is not scored", _LABELS),
    "mixed ids": Kind("line", "with a train id among label ids", "predict all images with the same settings again"),
    **{
        kind: KINDS[kind]
        for kind in ("not UTF-8", "damaged text", "too many masks", "missing mask", "damaged", "size", "black mask")
    },
    "used twice": KINDS["used twice"],
}


class _Written(NamedTuple):
    """Result of fixing some text files."""

    refused: FaultCounts
    empty: int
    """Number of empty masks, which were left out."""


def fix(path: Path, new: Path, root: Path | None = None, *, ids: Ids = "auto", workers: int = 1) -> FixReport:
    """Write fixed copies of the text files and masks in a folder or zip to a new folder.

    Train ids become label ids, lines get single blanks, empty masks are left out, and files are named
    `<city>/<stem>.txt` and `<city>/<stem>_<number>.png`. The pixels of masks do not change.

    Args:
        path: folder or zip of predictions.
        new: the folder to write.
        root: data folder, whose images the masks must fit. Without it, every mask must have the official size.
        ids: kind of the ids; auto converts train ids if all ids are train ids of classes with instances.
        workers: number of processes.

    Raises:
        InputError: with everything that cannot be fixed with certainty; nothing is written in that case.
    """
    require_new(path, new)
    entries = [entry for entry in archive_reader.entries(path) if kind_of_name(entry.name) != "hidden"]
    findings = list(archive_reader.faults_of([entry for entry in entries if entry.problem not in _FIXABLE_NAMES]))
    readable = [entry for entry in entries if entry.problem in (None, *_FIXABLE_NAMES)]
    plans = plan_texts(path, readable)
    if not plans.texts and not plans.refused:
        raise InputError(f"{path}: got no text file, expected predictions of the instance task; predict first")
    convert = ids == "train" or (ids == "auto" and are_train_ids(_labels(plans)))
    table = {one.train_id: one.id for one in BY_TRAIN_ID.values()} if convert else {}
    _refuse_doubles(plans, readable)
    _refuse_labels(plans, table)
    refuse_to_fix(path, [*findings, *plans.refused.findings(_REFUSED)])
    empty = _write(path, new, plans, readable, table, DataFolder(root), workers)
    changes = {
        "train ids to label ids": len(plans.texts) if convert else 0,
        "lines rewritten": plans.rewritten,
        "empty mask left out": empty,
        "renamed or moved": sum(plan.entry.name != f"{_place(plan.stem)}.txt" for plan in plans.texts),
    }
    split = split_of(plan.stem for plan in plans.texts)
    stems = {plan.stem for plan in plans.texts}
    remaining: tuple[Finding, ...] = ()
    if split == "test" and root is not None:
        remaining = of_severity("fault", completeness.findings(stems, completeness.expected_images(root)))
    return FixReport(len(stems), {name: number for name, number in changes.items() if number}, remaining, split)


def _labels(plans: Plans) -> Counter[int]:
    return Counter(line.label_id for plan in plans.texts for line in plan.lines)


def _refuse_doubles(plans: Plans, entries: Sequence[Entry]) -> None:
    """Refuse images with several text files, and masks in several lines."""
    stems = Counter(plan.stem for plan in plans.texts)
    masks = Counter(line.position for plan in plans.texts for line in plan.lines)
    for stem in (stem for stem, number in stems.items() if number > 1):
        plans.refused.add("duplicates", stem)
    for position in (position for position, number in masks.items() if number > 1):
        plans.refused.add("used twice", entries[position].name)


def _refuse_labels(plans: Plans, table: Mapping[int, int]) -> None:
    """Refuse labels that are not scored."""
    for plan in plans.texts:
        for line in plan.lines:
            if table.get(line.label_id, line.label_id) not in IDS:
                kind = (
                    "mixed ids"
                    if not table and line.label_id in BY_TRAIN_ID and are_train_ids({line.label_id: 1})
                    else "label"
                )
                plans.refused.add(kind, f"{plan.entry.name}: id {line.label_id}")


def _place(stem: str) -> str:
    return f"{stem.split('_', maxsplit=1)[0]}/{stem}"


def _write(
    path: Path,
    new: Path,
    plans: Plans,
    entries: Sequence[Entry],
    table: Mapping[int, int],
    data: DataFolder,
    workers: int,
) -> int:
    """Write all files to the new folder, and return the number of empty masks.

    Raises:
        InputError: with every image that cannot be read, or with the masks that cannot be fixed.
    """
    sizes: dict[str, Size] = {}
    unreadable = ErrorCollector()
    for plan in plans.texts:
        with unreadable.collect():
            sizes[plan.stem] = data.size(plan.stem)
    unreadable.raise_if_any()
    refused, empty = FaultCounts(), 0
    with complete_folder(new) as part:
        work = functools.partial(_write_batch, path=path, part=part, entries=entries, table=table, sizes=sizes)
        batches = archive_reader.batches(plans.texts, workers)
        for _, written in parallel_map(work, batches, workers=workers, title="fix"):
            if isinstance(written, InputError):
                raise written
            refused.merge(written.refused)
            empty += written.empty
        refuse_to_fix(path, list(refused.findings(_REFUSED)))
    return empty


def _write_batch(
    plans: Sequence[TextPlan],
    *,
    path: Path,
    part: Path,
    entries: Sequence[Entry],
    table: Mapping[int, int],
    sizes: Mapping[str, Size],
) -> _Written:
    refused, empty = FaultCounts(), 0
    with archive_reader.opened(path) as read:
        for plan in plans:
            lines: list[InstanceLine] = []
            for line in plan.lines:
                entry = entries[line.position]
                content = read(entry)
                if isinstance(content, InputError):
                    refused.add("damaged", f"{entry.name}: {content}")
                    continue
                kind, detail = mask_problem(content, sizes[plan.stem]) or ("", "")
                if kind == "empty mask":
                    empty += 1
                elif kind:
                    refused.add(kind, f"{entry.name}: {detail}" if detail else entry.name)
                else:
                    name = f"{plan.stem}_{len(lines):04d}{_suffix(entry, content)}"
                    write_bytes(part / _place(plan.stem).partition("/")[0] / name, content)
                    label = table.get(line.label_id, line.label_id)
                    lines.append(InstanceLine(len(lines) + 1, name, label, line.confidence))
            write_text(part / f"{_place(plan.stem)}.txt", instance.text_of(lines))
    return _Written(refused, empty)


def _suffix(entry: Entry, content: bytes) -> str:
    """Suffix of the new name of a mask: that of its format for a PNG, otherwise that of its name."""
    if content.startswith(png_chunks.SIGNATURE):
        return ".png"
    suffix = Path(entry.basename).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ".image"
