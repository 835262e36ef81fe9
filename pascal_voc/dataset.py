"""Pascal VOC as a benchmark: files -> samples, predictions -> scores and submission."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.scoring import table
from pascal_voc import layout, masks, scoring
from pascal_voc.labels import CLASSES, PALETTE

_PREDICTION_IDS = np.zeros(256, np.uint8)  # the server has no void: ids that are not a class become background
_PREDICTION_IDS[: len(CLASSES)] = range(len(CLASSES))


class PascalVocBenchmark(Benchmark):
    """Segmentation of photographs in 20 classes and background (Everingham et al. 2010), with SBD for training."""

    name = "pascal_voc"
    classes = CLASSES
    splits = layout.SPLITS
    hidden_splits = layout.HIDDEN
    prediction_ids = _PREDICTION_IDS
    prediction_suffix = scoring.SUFFIX
    prediction_colors = PALETTE
    archive_name = "submission.tar.gz"
    terms = (
        "The images of Pascal VOC and SBD come from Flickr, whose terms of use hold "
        "(http://host.robots.ox.ac.uk/pascal/VOC/voc2012/)."
    )

    def samples(self, root: Path, split: str) -> list[Sample]:
        """The images of a split, with their masks except for test."""
        return layout.samples(root, split)

    def read_mask(self, path: Path) -> UInt8Array:
        """The (H, W) class indices in a PNG of VOC or a MATLAB file of SBD."""
        return masks.read_mask(path)

    def mask_size(self, path: Path) -> tuple[int, int]:
        """Width and height of a mask file; a MATLAB file must be read completely for them."""
        return masks.mask_size(path)

    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """Scores of the development kit, as JSON content and as a table."""
        scores = scoring.score(predictions, root, split, workers=workers)
        return scores.to_json(), f"{split}\n\n{table(scores)}"

    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Check the predictions of the test split and pack them as results of comp6."""
        from pascal_voc import submission

        report = submission.pack(predictions, archive, root)
        return f"{archive}: {report.verdict}\n{report.next_step(archive)}"
