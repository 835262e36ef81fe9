"""Ground truth: draws the masks of whole splits in parallel and compares them with the official ones."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from cityscapes.ground_truth import panoptic
from cityscapes.ground_truth.agreement import Agreement
from cityscapes.ground_truth.masks import made_here, make_masks
from cityscapes.ground_truth.options import MaskOptions
from cityscapes.ground_truth.worklist import Job
from engine import parallel
from engine.errors import ErrorCollector, InputError
from engine.files import atomic

__all__ = ["GroundTruthResult", "MaskOptions", "generate"]


@dataclass
class GroundTruthResult:
    """Counts, faults and agreement over all images."""

    drawn: int = 0
    """Number of images for which at least one mask was made."""
    up_to_date: int = 0
    """Number of images whose masks were all up to date."""
    written: int = 0
    """Number of mask files written, including those next to the polygons."""
    faulty: int = 0
    """Number of images that failed because of faulty files."""
    faults: list[str] = field(default_factory=list)
    """Error messages of the faulty images."""
    agreement: Agreement = field(default_factory=Agreement)
    """Agreement with the official masks, summed over images."""
    documents: list[panoptic.Document] = field(default_factory=list)
    """JSON files of panoptic ground truth."""


def generate(jobs: Sequence[Job], options: MaskOptions, *, workers: int) -> GroundTruthResult:
    """Make the masks that are missing, damaged or changed, or were made from other polygons or with other settings.

    Faulty files do not stop the others; the result lists the faults.
    """
    folders = {path.parent for job in jobs for path in (job.generated_prefix, job.official_prefix)}
    folders |= {path.parent for job in jobs for one in options.variants for path in (one.json(job), one.png(job))}
    for folder in folders:
        atomic.remove_all_unfinished(folder)
    result = GroundTruthResult()
    records: list[tuple[Job, panoptic.Record | None]] = []
    make_one = functools.partial(make_masks, options)
    for job, outcome in parallel.parallel_map(make_one, jobs, workers=workers, title="ground truth"):
        if isinstance(outcome, InputError):
            result.faulty += 1
            result.faults.extend(outcome.messages)
            records.append((job, None))
            continue
        result.drawn += outcome.written > 0
        result.up_to_date += not outcome.written
        result.written += outcome.written
        result.agreement.add(outcome.agreement)
        records.append((job, outcome.record))
    faults = ErrorCollector()
    for variant in options.variants:
        for path in dict.fromkeys(variant.json(job) for job in jobs):
            scenes = [(job, record) for job, record in records if variant.json(job) == path]
            with faults.collect():
                result.documents.append(panoptic.write_document(variant, scenes, made_here))
    result.faults += faults.messages
    return result
