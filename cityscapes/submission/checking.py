"""Check the predictions in a folder or zip, and pack those of a folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cityscapes.layout import IMAGES, frame_of
from cityscapes.predictions import FIX_COMMAND, kind_of_name
from cityscapes.submission import archive as archives
from cityscapes.submission import archive_reader, completeness, id_check, pngs
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import Prediction
from engine.cli.submission import next_line
from engine.errors import InputError
from engine.findings import Finding, counted, fault, note, of_severity
from engine.parallel import parallel_map

_HARMLESS = "harmless, the server ignores them; `python -m cityscapes.submission pack` leaves them out"


@dataclass(frozen=True)
class Report:
    """What a check found."""

    predictions: int
    """PNG files that the server would take for predictions."""
    faults: tuple[Finding, ...]
    """Why the server would refuse the submission or score it wrongly; empty if it is fine."""
    warnings: tuple[Finding, ...]
    """What is odd but does no harm."""
    deviation: str = ""
    """How the images that were asked for differ from the official test set in number and size; empty if they do not.
    What deviates is for demos and experiments, and the server would refuse it."""

    @property
    def ok(self) -> bool:
        """Whether there is no fault; the images may still deviate."""
        return not self.faults

    def verdict(self, root: Path | None) -> str:
        """The result in a line, with every deviation from the official test set."""
        predictions = counted(self.predictions, "prediction")
        if not self.deviation or root is None:
            return f"ok: {predictions}, one for each test image, all of label ids"
        return (
            f"not for the server: {predictions}, one for each image of {root / IMAGES / 'test'}, all of label ids; "
            f"that is not the official test set: {self.deviation}"
        )

    def next_step(self, usual: str) -> str:
        """The line that says what to do next: the usual, unless the images deviate."""
        return next_line(self.deviation, usual, "test images of leftImg8bit_trainvaltest.zip")


class _FilesByName(NamedTuple):
    """The files of a submission, sorted by how the server reads their names."""

    predictions: list[tuple[str, Entry]]
    """Each with the stem of its image."""
    misnamed: list[str]
    uppercase: list[str]
    others: list[str]
    hidden: list[str]


def check(path: Path, root: Path | None, *, workers: int = 1) -> Report:
    """Check the predictions in a folder or zip, and find every fault.

    The expected images are those of `<root>/leftImg8bit/test`, and the report says how these deviate from the official
    test set; without `root` the official numbers are expected.

    Raises:
        InputError: if there is nothing to check: no such path, no zip, no file, no test images under `root`.
    """
    return _check(path, root, workers)[0]


def pack(
    folder: Path,
    archive: Path,
    root: Path | None,
    *,
    workers: int = 1,
    made_with: Mapping[str, Any] | None = None,
) -> Report:
    """Check the predictions in a folder and zip them; the same files give the same bytes.

    Beside the zip goes `<zip>.manifest.json`, with the sha256 of the zip and of each file in it, and what the
    predictions were made with (hash of the weights, options, commit: any JSON content), as far as it is given.

    Raises:
        InputError: with every fault, if there is any; then no zip is written.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that the predictions were written to")
    if archive.suffix.lower() != ".zip" or archive.is_dir():
        raise InputError(f"{archive}: expected the name of a file ending in .zip; choose another")
    report, digests = _check(folder, root, workers)
    if report.faults:
        raise InputError(*messages(folder, report.faults))
    archives.write(folder, digests, archive, made_with or {}, report.deviation)
    return report


def _check(path: Path, root: Path | None, workers: int) -> tuple[Report, dict[str, str]]:
    """The report, and the sha256 of each prediction by its name."""
    images = completeness.expected_images(root)
    entries = archive_reader.entries(path)
    if not entries:
        raise InputError(f"{path}: got no file at all, expected PNG predictions; predict the test split first")
    files = _sort_by_name(entries)
    findings = [*archive_reader.faults_of(entries), *_name_findings(files), *_zip_findings(path, entries, files)]
    predictions = _read(path, files.predictions, workers)
    if predictions:
        findings += [*completeness.findings(predictions, images), *id_check.findings(predictions)]
    elif not files.misnamed:
        what = f"got no PNG among {counted(len(entries), 'file')}, expected one for each test image"
        findings.append(fault("no predictions", what, "predict the test split first", []))
    faults, notes = of_severity("fault", findings), of_severity("note", findings)
    digests = {prediction.name: prediction.mask.sha256 for prediction in predictions}
    return Report(len(predictions), faults, notes, images.deviation), digests


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
    """Findings that follow from the names alone."""
    if files.misnamed:
        what = f"got {counted(len(files.misnamed), 'PNG name')} without <city>_<6 digits>_<6 digits> at the start"
        yield fault("name", what, "name them after their images, as berlin_000000_000019.png", files.misnamed)
    if files.uppercase:
        what = f"got {counted(len(files.uppercase), 'name')} in .PNG, expected .png, which is all the server looks for"
        yield fault("suffix", what, f"rename them: {FIX_COMMAND}", files.uppercase)
    if files.others:
        what = f"got {counted(len(files.others), 'file')} beside the PNGs"
        yield note("no prediction", what, _HARMLESS, files.others)
    if files.hidden:
        what = f"got {counted(len(files.hidden), 'hidden file')}, as macOS leaves them"
        yield note("hidden", what, _HARMLESS, files.hidden)


def _zip_findings(path: Path, entries: Sequence[Entry], files: _FilesByName) -> Iterator[Finding]:
    """A fault if a zip cannot be unpacked for a file beside the predictions, which are read anyway."""
    if path.is_dir():
        return
    beside = {*files.misnamed, *files.uppercase, *files.others, *files.hidden}
    unread = [entry for entry in entries if entry.name in beside and entry.problem is None]
    damaged = [
        f"{entry.name}: {content}"
        for batch in archive_reader.batches(unread, 1)
        for entry, content in zip(batch, archive_reader.read(path, batch), strict=True)
        if isinstance(content, InputError)
    ]
    if damaged:
        what = f"got {counted(len(damaged), 'file')} that cannot be unpacked, so the server may refuse the whole zip"
        yield fault("damaged zip", what, "zip the predictions alone again", damaged)


def _read(path: Path, files: Sequence[tuple[str, Entry]], workers: int) -> list[Prediction]:
    """Look into every prediction that may be read."""
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


def messages(path: Path, findings: Sequence[Finding]) -> list[str]:
    """A line for each finding about a folder or zip."""
    return [f"{path}: {finding}" for finding in findings]
