"""Check the predictions in a folder or zip, and pack those of a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import frame_of
from cityscapes.predictions import FIX_COMMAND, kind_of_name
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.pixel import id_check, pngs, predictions
from cityscapes.submission.pixel.predictions import Prediction
from cityscapes.submission.report import HARMLESS, Report
from engine.errors import InputError
from engine.findings import Finding, counted, fault, note, of_severity
from engine.parallel import parallel_map


class _FilesByName(NamedTuple):
    """Files of a submission by the kind of their names, see `kind_of_name`."""

    predictions: list[tuple[str, Entry]]
    """Stem of the image and file, of each prediction."""
    misnamed: list[str]
    uppercase: list[str]
    others: list[str]
    hidden: list[str]


def inspect(path: Path, root: Path | None, workers: int, entries: Sequence[Entry]) -> tuple[Report, dict[str, str]]:
    """Find every fault of the label-id PNGs in a folder or zip.

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
    images = completeness.expected_images(root)
    archive_reader.require_at_most(path, entries, archive_reader.MAX_FILES)
    archive_reader.require_some(path, entries)
    files = _sort_by_name(entries)
    findings = [*archive_reader.faults_of(entries), *_name_findings(files), *_zip_findings(path, entries, files)]
    found = _read(path, files.predictions, workers)
    if found:
        findings += [*predictions.findings(found, images), *id_check.findings(found)]
    elif not files.misnamed:
        what = f"got no PNG among {counted(len(entries), 'file')}, expected one for each test image"
        remedy = completeness.without_predictions((entry.name for entry in entries), "predict the test split first")
        findings.append(fault("no predictions", what, remedy, []))
    faults, notes = of_severity("fault", findings), of_severity("note", findings)
    digests = {prediction.name: prediction.mask.sha256 for prediction in found}
    return Report(len(found), faults, notes, images.deviation), digests


def _sort_by_name(entries: Sequence[Entry]) -> _FilesByName:
    files = _FilesByName([], [], [], [], [])
    for entry in entries:
        kind = kind_of_name(entry.name)
        if kind == "prediction":
            files.predictions.append((frame_of(entry.basename) or "", entry))
        elif kind != "other" or entry.problem is None:
            of_kind = {"misnamed": files.misnamed, "uppercase": files.uppercase, "other": files.others}
            of_kind.get(kind, files.hidden).append(entry.name)
    return files


def _name_findings(files: _FilesByName) -> Iterator[Finding]:
    """Findings about the names of the files."""
    if files.misnamed:
        what = f"got {counted(len(files.misnamed), 'PNG name')} without <city>_<6 digits>_<6 digits> at the start"
        yield fault("name", what, "name them after their images, for example berlin_000000_000019.png", files.misnamed)
    if files.uppercase:
        names = counted(len(files.uppercase), "name")
        what = f"got {names} ending in .PNG, expected .png, the only suffix that the server reads"
        yield fault("suffix", what, f"rename them: {FIX_COMMAND}", files.uppercase)
    if files.others:
        what = f"got {counted(len(files.others), 'file')} of other types than PNG"
        yield note("not a prediction", what, HARMLESS, files.others)
    if files.hidden:
        what = f"got {counted(len(files.hidden), 'hidden file')}, for example those that macOS creates"
        yield note("hidden", what, HARMLESS, files.hidden)


def _zip_findings(path: Path, entries: Sequence[Entry], files: _FilesByName) -> Iterator[Finding]:
    """A fault if a zip has damaged files other than predictions; `_read` finds damaged predictions."""
    if path.is_dir():
        return
    others = {*files.misnamed, *files.uppercase, *files.others, *files.hidden}
    unread = [entry for entry in entries if entry.name in others and entry.problem is None]
    damaged = [
        f"{entry.name}: {content}"
        for batch in archive_reader.batches(unread, 1)
        for entry, content in zip(batch, archive_reader.read(path, batch), strict=True)
        if isinstance(content, InputError)
    ]
    if damaged:
        what = f"got {counted(len(damaged), 'file')} that cannot be unpacked, so the server may refuse the whole zip"
        yield fault("damaged zip", what, "zip the predictions again, without these files", damaged)


def _read(path: Path, files: Sequence[tuple[str, Entry]], workers: int) -> list[Prediction]:
    """Read every prediction that may be read."""
    safe = [entry for _, entry in files if entry.problem is None]
    batches = [(path, batch) for batch in archive_reader.batches(safe, workers)]
    masks: dict[Entry, pngs.MaskInfo] = {}
    for (_, entries), found in parallel_map(_inspect_batch, batches, workers=workers, title="check"):
        if isinstance(found, InputError):
            raise found
        masks.update(zip(entries, found, strict=True))
    return [Prediction(stem, entry.name, masks.get(entry, pngs.MaskInfo("unread"))) for stem, entry in files]


def _inspect_batch(batch: tuple[Path, Sequence[Entry]]) -> list[pngs.MaskInfo]:
    return [
        pngs.MaskInfo("damaged", str(content)) if isinstance(content, InputError) else pngs.inspect(content)
        for content in archive_reader.read(*batch)
    ]
