"""Check the predictions of the instance task in a folder or zip, and pack those of a folder."""

import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cityscapes.formats.instance import CLASS_NUMBERS, LABELS_WITH_INSTANCES, USE_LABEL_IDS
from cityscapes.labels import BY_TRAIN_ID
from cityscapes.layout import frame_of
from cityscapes.predictions import FIX_COMMAND, kind_of_name
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.instance import files, images
from cityscapes.submission.instance.files import Files
from cityscapes.submission.instance.images import DIGEST, Checked, Submission
from cityscapes.submission.instance.kinds import EXPECTED, KINDS
from cityscapes.submission.report import Report
from engine.errors import InputError
from engine.files import png_chunks, png_reader
from engine.findings import Finding, counted, fault, of_severity
from engine.parallel import parallel_map

TRAIN_IDS = frozenset(label.train_id for label in LABELS_WITH_INSTANCES)
"""Train ids of the labels with instances, 11 to 18. As label ids none of them has instances."""
_MAX_PIXELS = 1 << 24
"""Number of pixels above which an image is not compared with predictions of the pixel task."""
_MISSING = "predict the whole test split, and write an empty text file for an image without instances"


def inspect(path: Path, root: Path | None, workers: int, entries: Sequence[Entry]) -> tuple[Report, dict[str, str]]:
    """Find every fault of the text files and masks in a folder or zip.

    Each mask is decoded once. Memory grows by about 1.4 KB for each file of a zip: half a million masks take 0.7 GB.

    Args:
        path: the folder or zip.
        root: data folder with the expected images, see `tasks.check`.
        workers: number of processes.
        entries: files of the folder or zip.

    Returns:
        the report, and the sha256 of each file to pack by its name.

    Raises:
        InputError: if there are no files, or no test images under `root`.
    """
    expected = completeness.expected_images(root)
    archive_reader.require_some(path, entries)
    found = Files.of(entries)
    submission = Submission(path, entries, {entry.name: number for number, entry in enumerate(entries)}, expected)
    checked = _checked(found, submission, workers)
    used, times = np.unique(np.array(checked.masks, np.int64), return_counts=True)
    for position in used[times > 1]:
        checked.faults.add("used twice", entries[position].name)
    labels = list(_of_labels(checked.labels))
    faults = checked.faults.without("label without instances", "void label") if labels else checked.faults
    mentioned = {entries[position].name for position in used}
    of_texts = list(_of_texts(found, submission, checked))
    complete = bool(found.texts) and all(finding.kind != "missing" for finding in of_texts)
    findings = [
        *archive_reader.faults_of(entries),
        *_same_names(entries),
        *of_texts,
        *found.faults(complete=complete),
        *labels,
        *faults.findings(KINDS),
        *_two_tasks(found, submission, mentioned),
    ]
    if not of_severity("fault", findings):
        findings += found.notes(mentioned)
    return _report(found, expected, findings, checked), _digests(found, entries, checked)


def _report(
    found: Files, expected: completeness.ExpectedImages, findings: Sequence[Finding], checked: Checked
) -> Report:
    faults, notes = of_severity("fault", findings), of_severity("note", findings)
    masks = f"with {counted(len(checked.masks), 'mask')}"
    return Report(len(found.texts), faults, notes, expected.deviation, content=masks)


def _checked(found: Files, submission: Submission, workers: int) -> Checked:
    """The results of all text files."""
    batches = archive_reader.batches(found.texts, workers)
    whole = Checked()
    work = functools.partial(images.check, submission=submission)
    for _, checked in parallel_map(work, batches, workers=workers, title="check"):
        if isinstance(checked, InputError):
            raise checked
        whole.merge(checked)
    return whole


def _digests(found: Files, entries: Sequence[Entry], checked: Checked) -> dict[str, str]:
    """SHA-256 of text files and masks by name, sorted."""
    digests = {text.entry.name: digest for text, digest in zip(found.texts, checked.texts, strict=True)}
    for number, position in enumerate(checked.masks):
        digests[entries[position].name] = checked.digests[number * DIGEST : (number + 1) * DIGEST].hex()
    return dict(sorted(digests.items()))


def _of_texts(found: Files, submission: Submission, checked: Checked) -> Iterator[Finding]:
    """Faults of missing, duplicate, unknown and empty text files."""
    if not found.texts:
        if not found.misnamed:
            what = f"got no text file among {counted(len(submission.entries), 'file')}"
            remedy = completeness.without_predictions((entry.name for entry in submission.entries), _MISSING)
            yield fault("no predictions", f"{what}, expected one for each test image", remedy, [])
        return
    by_stem: dict[str, list[str]] = {}
    for text in found.texts:
        by_stem.setdefault(text.stem, []).append(text.entry.name)
    yield from completeness.findings(by_stem, submission.images, _MISSING)
    yield from files.duplicates(by_stem)
    if not checked.labels and not checked.faults:
        what = f"got no line in {counted(len(found.texts), 'text file')}, expected one for each instance"
        yield fault("no instances", what, "predict with a lower threshold of the confidence", [])


def _same_names(entries: Sequence[Entry]) -> Iterator[Finding]:
    """A fault for files of a zip with the same name, of which the server reads one."""
    names = Counter(entry.name for entry in entries)
    if len(names) < len(entries):
        same = [name for name, number in names.items() if number > 1]
        what = f"got {counted(len(same), 'name')} more than once in the zip"
        yield fault(
            "same name",
            what,
            archive_reader.PACK_AGAIN,
            same[:2],
            len(same),
        )


def are_train_ids(labels: Mapping[int, int]) -> bool:
    """Whether the labels of all predictions are train ids: as label ids none of them has instances."""
    return bool(labels) and TRAIN_IDS.issuperset(labels)


def _of_labels(labels: Mapping[int, int]) -> Iterator[Finding]:
    """A fault if all labels are train ids, or numbers of the classes."""
    if are_train_ids(labels):
        names = [f"{number} {BY_TRAIN_ID[number].name}" for number in sorted(labels)[:2]]
        what = f"got only ids from {min(labels)} to {max(labels)} in {counted(sum(labels.values()), 'line')}"
        yield fault("train ids", f"{what}: these are train ids, {EXPECTED}", f"convert them: {FIX_COMMAND}", names)
    elif labels and CLASS_NUMBERS.issuperset(labels):
        what = f"got only ids from {min(labels)} to {max(labels)} in {counted(sum(labels.values()), 'line')}"
        yield fault("class numbers", f"{what}: these are numbers of a network's classes, {EXPECTED}", USE_LABEL_IDS, [])


def _two_tasks(found: Files, submission: Submission, mentioned: Collection[str]) -> Iterator[Finding]:
    """A fault if the folder also has a label-id image of each scene, as for the pixel task."""
    unused: dict[str, list[Entry]] = {}
    for entry in found.others:
        if kind_of_name(entry.name) == "prediction" and entry.name not in mentioned and entry.problem is None:
            unused.setdefault(frame_of(entry.basename) or "", []).append(entry)
    if not found.texts or any(len(unused.get(text.stem, ())) != 1 for text in found.texts):
        return
    pixel = [unused[text.stem][0] for text in found.texts]
    content = next(archive_reader.read(submission.source, pixel[:1]))
    if not isinstance(content, InputError) and _has_many_values(content):
        names = f"{found.texts[0].entry.name} and {pixel[0].name}"
        what = f"got predictions of the instance and of the pixel task ({names})"
        yield fault("two tasks", what, "give each task a folder of its own", [])


def _has_many_values(content: bytes) -> bool:
    """Whether an image has more values than a mask."""
    try:
        head = png_chunks.header(content)
        ids = png_reader.decode_ids(content) if head.width * head.height <= _MAX_PIXELS else None
    except png_chunks.DamagedError:
        return False
    return ids is not None and len(np.unique(ids)) > 2
