"""CamVid as two benchmarks, with 11 and with 32 classes: lists samples and scores predictions."""

from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from camvid import layout, scoring
from camvid.labels import ANNOTATED, SEGNET
from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, ClassTable, Sample
from engine.errors import InputError
from engine.scoring import NO_CLASS, table

TERMS = (
    "CamVid states no license; its authors ask for a citation of Brostow et al. 2008 and 2009. Ask them before "
    "commercial use (http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/)."
)


def _prediction_ids(classes: ClassTable) -> UInt8Array:
    """(256,) lookup that keeps the train ids of classes; all other ids become NO_CLASS."""
    ids = np.full(256, NO_CLASS, np.uint8)
    ids[: len(classes)] = range(len(classes))
    return ids


class CamVidBenchmark(Benchmark):
    """Driving scenes with the 11 classes of the papers, 480 x 360 (Brostow et al. 2009, Badrinarayanan et al. 2017)."""

    name = "camvid"
    classes = SEGNET
    splits = layout.SPLITS
    prediction_ids = _prediction_ids(SEGNET)
    prediction_suffix = scoring.SUFFIX
    prediction_colors = SEGNET.colorize(np.arange(256, dtype=np.uint8))
    terms = TERMS

    def samples(self, root: Path, split: str) -> list[Sample]:
        """The images of a split and their masks."""
        return scoring.SAMPLES[self.name](root, split)

    def read_mask(self, path: Path) -> UInt8Array:
        """The (H, W) train ids in a mask file."""
        return scoring.CONFIGS[self.name].read_mask(path)

    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """The scores that papers report."""
        scores = scoring.score(predictions, root, split, benchmark=self.name, workers=workers)
        return scores.to_json(), f"{split}\n\n{table(scores)}"

    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> NoReturn:
        """Refuse to pack, because there is no evaluation server.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{predictions}: CamVid has no evaluation server, because its test masks are public; "
            "score them: python -m camvid.scoring"
        )


class CamVid32Benchmark(CamVidBenchmark):
    """The same scenes with all classes of the annotation, 960 x 720."""

    name = "camvid32"
    classes = ANNOTATED
    prediction_ids = _prediction_ids(ANNOTATED)
    prediction_colors = ANNOTATED.colorize(np.arange(256, dtype=np.uint8))
