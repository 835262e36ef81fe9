"""Check the predictions of the panoptic task in a folder or zip, and pack those of a folder."""

import codecs
import functools
import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from cityscapes.formats import panoptic_reader
from cityscapes.formats.panoptic import AnnotatedImage
from cityscapes.formats.panoptic_reader import Fault
from cityscapes.layout import frame_of, stem_in
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import ExpectedImages
from cityscapes.submission.fault_counts import FaultCounts
from cityscapes.submission.panoptic import images
from cityscapes.submission.panoptic.files import Files, folder_fault
from cityscapes.submission.panoptic.images import Annotated, Checked
from cityscapes.submission.panoptic.kinds import KINDS, NAMED
from cityscapes.submission.report import Report
from engine.errors import InputError
from engine.findings import Finding, counted, fault, of_severity
from engine.parallel import parallel_map

_UNREADABLE = ("json", "structure")
"""Kinds of faults of a JSON file after which nothing is known about its images."""


def inspect(path: Path, root: Path | None, workers: int, entries: Sequence[Entry]) -> tuple[Report, dict[str, str]]:
    """Find every fault of the JSON file and PNGs in a folder or zip.

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
    archive_reader.require_at_most(path, entries, archive_reader.MAX_FILES)
    archive_reader.require_some(path, entries)
    files = Files.of(path, entries)
    findings = [*archive_reader.faults_of(entries), *files.faults()]
    annotations: list[AnnotatedImage] = []
    checked = Checked()
    content = _json(path, files, checked.faults)
    if content is not None:
        annotations, faults = panoptic_reader.parse(content)
        if content.startswith(codecs.BOM_UTF8):  # which the official scorer does not read
            checked.faults.add("byte order mark", files.jsons[0].name)
        checked.digests[files.jsons[0].name] = hashlib.sha256(content).hexdigest()
        if not any(one.kind in _UNREADABLE for one in faults):
            findings += _check_images(path, files, expected, annotations, faults, workers, checked)
        for one in faults:
            where = one.where if one.kind in NAMED else f"{one.where}: {one.what}" if one.where else one.what
            checked.faults.add(one.kind, where)
    findings += checked.faults.findings(KINDS)
    if not of_severity("fault", findings):
        findings += files.notes(checked.digests)
    segments = f"with {counted(sum(len(image.segments) for image in annotations), 'segment')}"
    report = Report(
        len(annotations),
        of_severity("fault", findings),
        of_severity("note", findings),
        expected.deviation,
        content=segments,
    )
    return report, dict(sorted(checked.digests.items()))


def _json(path: Path, files: Files, counts: FaultCounts) -> bytes | None:
    """The content of the JSON file; None if there is none, or if it must not or cannot be read."""
    if not files.jsons or files.jsons[0].problem:  # findings of their own
        return None
    content = next(archive_reader.read(path, files.jsons[:1]))
    if isinstance(content, InputError):
        counts.add("json", f"{files.jsons[0].name}: {content}")
        return None
    return content


def _check_images(
    path: Path,
    files: Files,
    expected: ExpectedImages,
    annotations: Sequence[AnnotatedImage],
    faults: Sequence[Fault],
    workers: int,
    checked: Checked,
) -> list[Finding]:
    """Check the PNGs of all images, and return the findings about their names."""
    folder = files.folder(annotations)
    annotated = list(_annotated(files, folder, annotations, checked.faults))
    work = functools.partial(images.check, source=path, images=expected)
    batches = archive_reader.batches([image for image in annotated if not image.entry.problem], workers)
    for _, done in parallel_map(work, batches, workers=workers, title="check"):
        if isinstance(done, InputError):
            raise done
        checked.faults.merge(done.faults)
        checked.digests |= done.digests
    stems = {stem_of(image.image_id) for image in annotations}
    stems |= {one.where for one in faults if frame_of(one.where) == one.where}
    findings = [*folder_fault(folder), *completeness.findings(stems, expected)]
    if annotations and not any(image.segments for image in annotations):
        what = f"got no segment in {counted(len(annotations), 'image')}, expected one for each object and area"
        findings.append(fault("no segments", what, "write segments_info for each image", []))
    return findings


def stem_of(image_id: str) -> str:
    """Stem of an image in its image_id, which may have a folder or a suffix; the image_id if there is none."""
    return stem_in(image_id) or image_id


def _annotated(
    files: Files, folder: str, annotations: Sequence[AnnotatedImage], counts: FaultCounts
) -> Iterator[Annotated]:
    """The images whose PNG exists."""
    for image in annotations:
        stem = stem_of(image.image_id)
        of_file = frame_of(posixpath.basename(image.file_name))
        segments = {segment.id for segment in image.segments}
        if stem != image.image_id == frame_of(image.image_id):  # with a blank or a folder before the city
            counts.add("image id", image.image_id)
        if 0 in segments:
            counts.add("segment 0", image.image_id)
        if of_file is not None and of_file != stem:
            counts.add("other image", f"{image.image_id}: {image.file_name}")
        position = files.positions.get(posixpath.normpath(posixpath.join(folder, image.file_name)))
        if position is None:
            counts.add("missing PNG", f"{image.image_id}: {image.file_name}")
        else:
            yield Annotated(stem, files.entries[position], segments)
