"""Fidelity of ways to fill polygons: the number of pixels that differ from real official masks."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from cv2 import __version__ as opencv_version

from bench import REPOSITORY
from bench.fill_variations import VARIATIONS
from cityscapes.ground_truth import polygons, worklist
from cityscapes.ground_truth.agreement import Agreement, compare
from cityscapes.ground_truth.worklist import Job
from engine.errors import InputError
from engine.files.images import read_ids


def run(samples: Path) -> dict[str, Any]:
    """Draw the scenes that have official masks, once with each variation.

    Raises:
        InputError: if no scene has official masks.
    """
    root = samples / "cityscapes"
    jobs = [job for job in worklist.of_root(root) if job.official_mask("instanceIds").is_file()]
    if not jobs:
        raise InputError(
            f"{root}: contains no official masks; set SEGMENTATION_DATA to a folder that contains cityscapes/"
        )
    return {
        "what": "pixels of official labelIds and instanceIds masks that are drawn differently",
        "scenes": len(jobs),
        "pixels": sum(read_ids(job.official_mask("labelIds")).size for job in jobs),
        "pillow": PIL.__version__,
        "opencv": opencv_version,
        "variations": {name: {**_differing(jobs, name), "golden": _golden(name)} for name in VARIATIONS},
    }


def _differing(jobs: list[Job], name: str) -> dict[str, int]:
    found = Agreement()
    instance_pixels = 0
    for job in jobs:
        masks = _drawn(job, name)
        found.add(compare(job, masks.label_ids, read_ids(job.official_mask("labelIds"))))
        instance_pixels += int(np.count_nonzero(masks.instance_ids != read_ids(job.official_mask("instanceIds"))))
    return {
        "label_ids": found.differing,
        "of_these_at_boundaries": found.total.boundary_differing,
        "instance_ids": instance_pixels,
    }


def _golden(name: str) -> int:
    """Number of the 72 polygons that are drawn differently from Pillow 1.7.8 and 2.4.0."""
    golden = json.loads((REPOSITORY / "tests" / "cityscapes" / "ground_truth" / "polygon_fill_golden.json").read_text())
    values = np.array([0, 1], np.uint8)
    images = [
        VARIATIONS[name]([np.array(case["polygon"]).reshape(-1, 2)], golden["width"], golden["height"]).image(values)
        for case in golden["cases"]
    ]
    return sum(
        hashlib.sha256(image.tobytes()).hexdigest() != case["sha256"]
        for image, case in zip(images, golden["cases"], strict=True)
    )


def _drawn(job: Job, name: str) -> polygons.Masks:
    return polygons.draw(polygons.read(job.polygons), fill_with=VARIATIONS[name])


def table(record: dict[str, Any]) -> str:
    """The record as text to print, one line for each variation."""
    lines = [f"{record['scenes']} scenes, {record['pixels']:,} pixels"]
    lines.append(
        f"  {'':<26}{'labelIds differ':>16}{'at boundaries':>16}{'instanceIds differ':>20}{'of 72 polygons':>16}"
    )
    for name, counts in record["variations"].items():
        label_ids, boundary, instance_ids, golden = counts.values()
        lines.append(f"  {name:<26}{label_ids:>16,}{boundary:>16,}{instance_ids:>20,}{golden:>16}")
    return "\n".join(lines)
