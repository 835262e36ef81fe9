"""The masks of whole splits: drawn where needed, in parallel, and compared with the official ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cityscapes import layout, polygons
from cityscapes.agreement import Agreement
from cityscapes.layout import Scene
from cityscapes.polygons import Masks
from engine import parallel
from engine.faults import InputError
from engine.images import IdArray, read_ids, software_of, write_png

SPLITS = ("train", "val")
"""The splits that are drawn: the annotations of test are dummies."""

_SOFTWARE = "generate_gt.py"
"""Noted in the masks written here, to tell them from those that came with the data set."""


class Task(NamedTuple):
    """One scene to draw."""

    root: Path
    scene: Scene
    official_names: bool
    instance_ids: bool
    redo: bool

    def outputs(self) -> dict[Path, str]:
        """Every file to be written, and the attribute of Masks that goes into it."""
        kinds = {"labelId": "label_ids", "trainId": "train_ids", "color": "colors"}
        official = {"labelIds": "label_ids", "labelTrainIds": "train_ids", "color": "colors"}
        if self.instance_ids:
            kinds["instanceId"] = official["instanceIds"] = "instance_ids"
        files = {self.scene.generated_mask(self.root, kind): content for kind, content in kinds.items()}
        if self.official_names:
            beside = {self.scene.official_mask(self.root, kind): content for kind, content in official.items()}
            files |= {path: content for path, content in beside.items() if not path.is_file() or _drawn_here(path)}
        return files


class Outcome(NamedTuple):
    """What was done about one scene."""

    drawn: bool
    agreement: Agreement | None


@dataclass
class Result:
    """What was done about all scenes."""

    drawn: int = 0
    up_to_date: int = 0
    faults: list[str] = field(default_factory=list)
    agreement: Agreement = field(default_factory=Agreement)


def generate(root: Path, *, official_names: bool, instance_ids: bool, redo: bool, workers: int) -> Result:
    """Draw the masks of train and val that are missing or older than their polygons.

    Args:
        root: the Cityscapes folder.
        official_names: also write masks beside the polygons, under the names that other tools look for.
        instance_ids: also write masks of instance ids.
        redo: draw every scene.
        workers: processes that draw.

    Raises:
        InputError: if there are no polygons. Faulty files do not stop the others; the result lists them.
    """
    layout.require_root(root)
    scenes = [scene for split in SPLITS for scene in layout.annotated_scenes(root, split)]
    if not scenes:
        raise InputError(
            f"{root / layout.ANNOTATIONS}: no *_{layout.ANNOTATIONS}_polygons.json in train/<city>/ or val/<city>/; "
            f"unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) into {root}"
        )
    tasks = [Task(root, scene, official_names, instance_ids, redo) for scene in scenes]
    result = Result()
    for _, outcome in parallel.each(draw, tasks, workers=workers, title="ground truth"):
        if isinstance(outcome, InputError):
            result.faults.extend(outcome.messages)
            continue
        result.drawn += outcome.drawn
        result.up_to_date += not outcome.drawn
        if outcome.agreement is not None:
            result.agreement.add(outcome.agreement)
    return result


def draw(task: Task) -> Outcome:
    """Draw one scene where its masks are missing or out of date, and compare it with the official mask.

    Raises:
        InputError: if its polygons or its official mask are faulty.
    """
    source = task.scene.polygons(task.root)
    stale = [path for path in task.outputs() if task.redo or not _is_newer(path, source)]
    masks = polygons.draw(polygons.read(source)) if stale else None
    if masks is not None:
        for path, content in task.outputs().items():
            if path in stale:
                write_png(path, getattr(masks, content), software=_SOFTWARE)
    return Outcome(masks is not None, _agreement(task, masks))


def _agreement(task: Task, masks: Masks | None) -> Agreement | None:
    """The agreement with the official mask, None where there is none."""
    path = task.scene.official_mask(task.root, "labelIds")
    if not path.is_file() or _drawn_here(path):
        return None
    official = read_ids(path)
    drawn: IdArray = masks.label_ids if masks is not None else read_ids(task.scene.generated_mask(task.root, "labelId"))
    if official.shape != drawn.shape:
        raise InputError(
            f"{path}: the official mask is {official.shape[1]} x {official.shape[0]}, the polygons say "
            f"{drawn.shape[1]} x {drawn.shape[0]}; unpack gtFine_trainvaltest.zip again"
        )
    return Agreement.of(task.scene.stem, drawn, official)


def _drawn_here(path: Path) -> bool:
    return software_of(path) == _SOFTWARE


def _is_newer(path: Path, source: Path) -> bool:
    """Whether a file is there and not older than what it is made from."""
    try:
        return path.stat().st_mtime >= source.stat().st_mtime
    except FileNotFoundError:
        return False
