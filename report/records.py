"""Records that a report is made of: runs, results, profiles, submissions, agreement and faults.

`report.sources` reads them from folders, and `report.sections` shows them. A record is complete in itself: whatever a
file lacks is None or empty, and a fault says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.arrays import Int64Array
from engine.bootstrap import Interval
from engine.image_counts import ImageCounts

Task = Literal["pixel", "instance", "panoptic", "road"]
"""Task whose predictions were scored; `road` is KITTI Road, whose predictions are confidences."""


class Fault(NamedTuple):
    """A file or folder that could not be shown, or only in part."""

    path: str
    """Path as the user gave it."""
    message: str
    """Message for the user: what was got, what was expected and what to do."""


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class, from 0 to 1."""

    name: str
    figures: Mapping[str, float | None]
    """Name of each figure, for example IoU and iIoU -> score; None if the class does not occur."""
    interval: Interval | None = None
    """Bootstrap interval of the first figure; None if the counts of single images are unknown."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Confusion matrix of a result."""

    names: tuple[str, ...]
    """Names of the rows: true classes."""
    columns: tuple[str, ...]
    """Names of the columns: predicted classes, and possibly a last one for pixels without a class."""
    counts: Int64Array
    """(rows, columns) numbers of pixels or instances."""


@dataclass(frozen=True, eq=False)
class ResultScores:
    """Scores of one set of predictions."""

    path: Path
    """Path of the result file."""
    task: Task
    classes: tuple[ClassScore, ...]
    averages: Mapping[str, float | None]
    """Name of each average -> score from 0 to 1. The first is the main one.

    Cityscapes' pixel task has its four official averages: IoU, iIoU, category IoU, category iIoU."""
    interval: Interval | None
    """Bootstrap interval of the main average."""
    images: tuple[ImageCounts, ...]
    """Pixel counts of each image, sorted by name; empty for other tasks and if they are unknown."""
    confusion: Confusion | None
    coverage: str
    """Number of scored images, compared with the official split; empty if unknown."""
    official: bool | None
    """Whether exactly the official split was scored; None if unknown."""


@dataclass(frozen=True)
class StageProfile:
    """Duration of the stages of a prediction, from `profile.json` of test_fcn.py."""

    path: Path
    stages: Mapping[str, Mapping[str, float]]
    """Stage -> median and p95 in milliseconds, in the order of the stages; the last one is `total`."""
    memory_mib: Mapping[str, float | None]
    """Kind of memory -> peak in MiB."""
    device: str
    precision: str
    size: str
    """Width x height of the images."""
    images: int
    """Number of timed images."""
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class NetworkProfile:
    """Profile of a network on random weights, from the output of profile_fcn.py."""

    path: Path
    network: str
    content: Mapping[str, Any]
    """JSON content of the profile, see `engine.profiling.record.NetworkProfile.to_json`; its types are checked."""


SubmissionState = Literal["ready", "not official", "faults", "unchecked", "changed", "missing"]
"""State of an archive: accepted by the check; of other images than the official test set; with faults; never checked;
another file than the checked one; not there any more."""


@dataclass(frozen=True)
class Submission:
    """Archive for an evaluation server."""

    path: Path
    """Path of the archive."""
    bytes: int | None
    sha256: str | None
    """SHA-256 that the manifest records."""
    checked: str
    """Date and time of the check, as text; empty if unknown."""
    verdict: str
    """The check in one sentence, for example whether the test set is complete."""
    faults: tuple[str, ...]
    """Reasons why the server would refuse it; empty if there are none, or if it was not checked."""
    made_with: Mapping[str, Any]
    """Weights, settings and commit."""
    state: SubmissionState = "unchecked"
    task: str = ""
    """Task that it was checked for; empty if unknown."""
    deviation: str = ""
    """Difference of the predicted images from the official test set; empty if there is none."""
    warnings: tuple[str, ...] = ()
    """Findings of the check that do not prevent a submission."""


@dataclass(frozen=True)
class Predictions:
    """Folder of prediction files whose images may be shown."""

    folder: Path
    benchmark: str
    """Name in the catalogue, or import path, of the benchmark."""
    root: Path | None
    """Folder of the data set; None if unknown."""
    split: str | None
    images: Path | None = None
    """Folder of the images, if they belong to no split; None if they do, or if it is unknown."""
    shown: str = field(default="", compare=False)
    """Path of `folder` for messages, see `Fault.path`."""

    def __str__(self) -> str:
        return self.shown or str(self.folder)


@dataclass(frozen=True)
class Result:
    """Folder of results of one set of weights on one split: any of scores, profile, submission and predictions."""

    key: str
    """Unique name within a report, for example `demo/val`."""
    folder: Path
    weights: str
    """File of the weights without suffix, for example `best`; empty if unknown."""
    split: str
    benchmark: str
    """Name of the benchmark; empty if unknown."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Weights and settings that the predictions were made with."""
    scores: ResultScores | None = None
    profile: StageProfile | None = None
    submission: Submission | None = None
    predictions: Predictions | None = None
    modified: str = ""
    """Date of the last change, YYYY-MM-DD."""


@dataclass(frozen=True)
class Run:
    """A training with its results, or results alone."""

    name: str
    """Unique name within a report."""
    folder: Path | None
    """Run folder; None for results without a training."""
    status: Literal["complete", "unfinished", "damaged", "results only"]
    progress: str
    """Status in words, for example `8 of 16 epochs`."""
    config: Mapping[str, Any]
    """Options of the training: plain names and values."""
    history: tuple[Mapping[str, Any], ...]
    """Rows of the epochs, see `engine.training.history`."""
    environment: Mapping[str, Any]
    """Environment of the last start, see `engine.environment`."""
    modified: str
    """Date of the last change, YYYY-MM-DD."""
    classes: tuple[str, ...]
    """Names of the classes of the values in `history`; numbers if the benchmark is unknown or has another number."""
    results: tuple[Result, ...]
    profiles: tuple[NetworkProfile, ...]
    """Profiles of this run's network."""
    faults: tuple[Fault, ...]

    @cached_property
    def best(self) -> Mapping[str, Any] | None:
        """Row of the best epoch by validation mIoU; None if no epoch was validated."""
        validated = [row for row in self.history if row.get("val_miou") is not None]
        return max(validated, key=lambda row: float(row["val_miou"]), default=None)

    @cached_property
    def scored(self) -> Result | None:
        """The result that stands for the run: of its best weights if possible; None if nothing was scored."""
        results = [result for result in self.results if result.scores is not None]
        return min(results, key=lambda result: result.weights != "best", default=None)


class AgreementRow(NamedTuple):
    """Agreement of drawn and official masks, for all pixels, a label or an image."""

    kind: Literal["all", "label", "image"]
    name: str
    pixels: int
    differing: int
    boundary: int
    boundary_differing: int


@dataclass(frozen=True)
class Agreement:
    """Agreement of drawn masks with the official ones, from agreement.csv of generate_gt.py."""

    path: Path
    rows: tuple[AgreementRow, ...]
    """All pixels first, then labels, then images."""


@dataclass(frozen=True)
class Published:
    """A published result."""

    name: str
    """Name of the network."""
    benchmark: str
    split: str
    score: float
    """Mean IoU from 0 to 1, or for kitti_road MaxF."""
    averages: Mapping[str, float]
    """Other averages, from 0 to 1."""
    classes: Mapping[str, float]
    """IoU of classes, from 0 to 1; empty if not published."""
    protocol: str
    """Training data, resolution and other conditions."""
    source: str
    """Paper or repository."""
    url: str
    latency_ms: float | None = None
    """Published latency of an image in milliseconds."""
    device: str = ""
    """Device of that latency."""


@dataclass(frozen=True)
class Report:
    """Everything that a page shows."""

    runs: tuple[Run, ...]
    """Runs, newest first."""
    agreements: tuple[Agreement, ...]
    published: tuple[Published, ...]
    profiles: tuple[NetworkProfile, ...]
    """Profiles of networks that no run has."""
    faults: tuple[Fault, ...]
    """Faults that belong to no run."""

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The results of all runs."""
        return tuple(result for run in self.runs for result in run.results)
