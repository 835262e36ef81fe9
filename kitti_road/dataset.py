"""KITTI Road as two benchmarks, road and lane: files -> samples, predictions -> scores and submission."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError, printable
from kitti_road import layout
from kitti_road.labels import CATEGORIES_OF, CLASSES_OF, COLOR_OF, CONFIDENCE_OF, read_truth
from kitti_road.layout import Frame


class KittiRoadBenchmark(Benchmark):
    """Confidence maps of the drivable road, or of the lane of the car (Fritsch et al. 2013).

    Args:
        task: road, with the categories um, umm and uu, or lane, with um.
    """

    prediction_ids = CONFIDENCE_OF
    prediction_suffix = ".png"
    prediction_colors = COLOR_OF
    confidence_class = 1
    terms = (
        "KITTI is under Creative Commons Attribution-NonCommercial-ShareAlike 3.0: no commercial use "
        "(https://www.cvlibs.net/datasets/kitti/)."
    )

    def __init__(self, task: str = "road") -> None:
        if task not in CATEGORIES_OF:
            raise InputError(f"KITTI Road: got the task {task!r}, expected {' or '.join(CATEGORIES_OF)}; choose one")
        self.task = task
        self.name = f"kitti_{task}"
        self.classes = CLASSES_OF[task]
        self.splits = layout.splits(task)
        self.hidden_splits = tuple(split for split in self.splits if layout.is_hidden(split))

    def samples(self, root: Path, split: str) -> list[Sample]:
        """The images of a split; images of train or val without ground truth are left out, with a warning on stderr."""
        layout.require_root(root)
        frames = layout.pictured_frames(root, split, self.task)
        if not frames:
            part = layout.TESTING if layout.is_hidden(split) else layout.TRAINING
            raise InputError(
                f"{root / part / layout.IMAGES}: no image of the {split} split ({self._pattern}); unpack data_road.zip "
                "again (cvlibs.net/datasets/kitti/eval_road.php)"
            )
        if layout.is_hidden(split):
            return [Sample(frame.prediction(self.task), frame.image(root), None) for frame in frames]
        return self._labelled(root, split, frames)

    def _labelled(self, root: Path, split: str, frames: Sequence[Frame]) -> list[Sample]:
        labelled = layout.labelled_frames(root, split, self.task)
        truths = root / "training" / layout.TRUTHS
        if not labelled:
            raise InputError(
                f"{truths}: no ground truth of the {self.task} ({self.task} in the names) for any of the {len(frames)} "
                f"images of the {split} split; unpack data_road.zip again"
            )
        if alone := sorted(set(labelled) - set(frames)):
            raise InputError(
                *(
                    f"{one.image(root)}: no such file, but its ground truth exists; unpack data_road.zip again"
                    for one in alone
                )
            )
        if missing := len(frames) - len(labelled):
            print(
                f"warning: {truths}: {missing} of {len(frames)} images of the {split} split have no ground truth of "
                f"the {self.task} and are left out",
                file=sys.stderr,
            )
        return [
            Sample(frame.prediction(self.task), frame.image(root), frame.truth(root, self.task)) for frame in labelled
        ]

    @property
    def _pattern(self) -> str:
        return ", ".join(f"{category}_*.png" for category in CATEGORIES_OF[self.task])

    def read_mask(self, path: Path) -> UInt8Array:
        """The (H, W) train ids in a ground truth: 0 background, 1 road or lane, 255 outside the evaluation area."""
        return read_truth(path)

    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """The measures of the benchmark in the image, and in the bird's-eye view if all calibrations exist."""
        from kitti_road import scoring
        from kitti_road.result import Space, title, to_json

        frames = layout.labelled_frames(root, split, self.task)
        lacking = [path for frame in frames if not (path := frame.calibration(root)).is_file()]
        contents: dict[str, Any] = {}
        spaces: tuple[Space, ...] = ("image",) if lacking else ("image", "bev")
        tables = []
        for space in spaces:
            result = scoring.score(predictions, root, split, space=space, tasks=[self.task], workers=workers)
            if result.faults:
                raise InputError(*result.faults)
            contents[space] = to_json(result.scores, split, space)
            notes = "".join(f"note: {line}\n" for line in result.notes)
            tables.append(f"{notes}{title(split, space)}\n\n{result.table().render()}\n\n{result.coverage}")
        if lacking:
            tables.append(
                f"no bird's-eye view: {len(lacking)} of {len(frames)} calibrations are missing, for example "
                f"{lacking[0]}; unpack data_road.zip again"
            )
        return contents, "\n\n".join(tables)

    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Warp the predictions of the test split to the bird's-eye view and zip them."""
        from kitti_road import submission

        report = submission.pack(predictions, archive, root, workers=workers)
        warnings = "".join(printable(f"warning: {line}\n") for line in report.warnings)
        next_step = report.next_step(f"upload {archive} at cvlibs.net/datasets/kitti")
        return f"{warnings}{archive}, as bird's-eye views: {report.verdict}\n{next_step}"
