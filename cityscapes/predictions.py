"""Prediction files: the scene that each belongs to, and the kind of its ids."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes import id_kind
from cityscapes.labels import BY_ID, BY_TRAIN_ID, VOID
from cityscapes.layout import frame_of
from engine.errors import InputError
from engine.files import folders

LABEL_IDS = max(BY_ID) + 1
"""Number of label ids: they run from 0 to 33."""

FIX_COMMAND = "python -m cityscapes.submission fix PATH NEW"
CONVERT_COMMAND = "python -m cityscapes.convert"
"""The command that fixes predictions, for error messages."""
SUBTRACT_ONE = (
    f"subtract 1 from every id except 0, replace 0 by 255, then convert train ids to label ids: {FIX_COMMAND}"
)
"""The remedy for predictions of train ids plus 1, for error messages."""
_TRAIN_IDS = f"these look like train ids; convert them to label ids: {FIX_COMMAND}"

WEIGHTS_KEY = "Weights"
"""Key of the PNG note in which `test_fcn.py` records the hash of its weights."""
ORIGIN_KEY = "Prediction"
"""Key of the PNG note in which `test_fcn.py` records the hash of its settings and of the name of the image."""

NameKind = Literal["prediction", "misnamed", "uppercase", "other", "hidden"]
"""Kind of a file by its name: a prediction, a .png without the name of an image, a .PNG, which the server ignores, any
other file, or a hidden file."""


def kind_of_name(name: str) -> NameKind:
    """Kind of a file by its path within a folder or zip of predictions."""
    *folders, last = re.split(r"[/\\]", name)
    if last.startswith(".") or "__MACOSX" in folders:
        return "hidden"
    if not last.lower().endswith(".png"):
        return "other"
    if not last.endswith(".png"):
        return "uppercase"
    return "misnamed" if frame_of(last) is None else "prediction"


class PredictionFiles(NamedTuple):
    """The PNG files, or the text files, in a folder."""

    by_stem: dict[str, list[Path]]
    """Stem of a scene -> its files, sorted; several are a fault, which the caller reports."""
    unknown: list[Path]
    """Files whose names do not start with `<city>_<6 digits>_<6 digits>`, sorted."""


FileKind = Literal["PNG file", "text file"]
"""Kind of the prediction files: the pixel task has a PNG per scene, and the instance task a text file."""

_PATTERNS: dict[FileKind, str] = {"PNG file": "*.png", "text file": "*.txt"}


def find(folder: Path, kind: FileKind = "PNG file") -> PredictionFiles:
    """All files of a kind in a folder and its subfolders, by the scene that their names start with.

    Hidden files are left out, and links to folders are not followed, as in the official scorer.

    Raises:
        InputError: if there is no such folder, no such file in it, or a folder in it that cannot be listed.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {reason}; {_remedy(folder, kind)}")
    found = PredictionFiles({}, [])
    for path in folders.find(folder, _PATTERNS[kind]):
        if kind_of_name(path.relative_to(folder).as_posix()) != "hidden" and not path.is_dir():
            stem = frame_of(path.name)
            (found.unknown if stem is None else found.by_stem.setdefault(stem, [])).append(path)
    if not found.by_stem and not found.unknown:
        json = next(iter(folders.find(folder, "*.json")), folder)
        but = "" if json == folder else f", but {json.relative_to(folder)}"
        raise InputError(f"{folder}: no {kind} in it{but}; {_remedy(json, kind)}")
    return found


def _remedy(path: Path, kind: FileKind) -> str:
    """Advice on a folder without predictions: to convert the JSON file that is there, or to give another folder."""
    if kind == "text file" and path.suffix == ".json":
        return f"if these are results of COCO, convert them: {CONVERT_COMMAND} coco_instances {path} NEW"
    return "give the folder that the predictions were written to"


def invalid_ids(path: Path, pixels: npt.NDArray[np.int64]) -> list[str]:
    """Faults of the ids of a prediction; empty if all are label ids.

    Args:
        path: the file, for messages.
        pixels: (n,) number of pixels of each id from 0.
    """
    present = np.flatnonzero(pixels)
    unknown = present[present >= LABEL_IDS]
    if not unknown.size:
        return []
    named = ", ".join(map(str, unknown[:8])) + (", ..." if unknown.size > 8 else "")
    found = f"{path}: {'ids' if unknown.size > 1 else 'id'} {named} on {pixels[unknown].sum()} pixels"
    if unknown.tolist() != [VOID]:
        return [f"{found}; write only label ids, 0 to {LABEL_IDS - 1}"]
    if present[-2:-1].max(initial=0) <= max(BY_TRAIN_ID) and id_kind.by_frequency(pixels[: VOID + 1]) != "label ids":
        return [f"{found}; {_TRAIN_IDS}"]
    return [f"{found}, among label ids; write 0 (unlabeled) where no class is predicted"]


def train_id_warning(confusion: npt.NDArray[np.int64]) -> str | None:
    """Evidence that ids within the range of label ids are of another kind, or None if there is no such evidence.

    Args:
        confusion: (34, 34) number of pixels of each id in the ground truth (row) and in all predictions (column).
    """
    agreements = id_kind.agreement(confusion)
    kind = id_kind.by_ground_truth(agreements)
    if kind in (None, "label ids"):
        return None
    evidence = (
        f"read as {kind} {agreements[kind]:.0%} of the pixels are right, as label ids {agreements['label ids']:.0%}"
    )
    return f"{evidence}; {_TRAIN_IDS if kind == 'train ids' else SUBTRACT_ONE}"
