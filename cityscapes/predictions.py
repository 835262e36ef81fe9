"""Prediction files: which scene each belongs to, and whether its ids are label ids."""

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
"""Label ids run from 0 to this, exclusive."""

FIX_COMMAND = "python -m cityscapes.submission fix PATH NEW"
"""What fixes predictions."""
SUBTRACT_ONE = f"subtract 1 from every id but 0, write 255 for 0, then convert train ids to label ids: {FIX_COMMAND}"
"""What fixes predictions of train ids plus 1."""
_TRAIN_IDS = f"these look like train ids; convert them to label ids: {FIX_COMMAND}"

WEIGHTS_KEY = "Weights"
"""Key of the note in which `test_fcn.py` writes the hash of its weights into each prediction."""
PREDICTION_KEY = "Prediction"
"""Key of the note with the hash of its settings and the name of its image."""

NameKind = Literal["prediction", "misnamed", "uppercase", "other", "hidden"]
"""What the server makes of a file by its name: a prediction, a PNG of no image, one that it overlooks because of
capital letters, something else, or a hidden file."""


def kind_of_name(name: str) -> NameKind:
    """What a file is by its path below the folder, or in the zip, of predictions."""
    *folders, last = re.split(r"[/\\]", name)
    if last.startswith(".") or "__MACOSX" in folders:
        return "hidden"
    if not last.lower().endswith(".png"):
        return "other"
    if not last.endswith(".png"):
        return "uppercase"
    return "misnamed" if frame_of(last) is None else "prediction"


class PredictionFiles(NamedTuple):
    """The PNG files under a folder."""

    by_stem: dict[str, list[Path]]
    """The files of each scene, sorted; more than one is a fault, told by who needs the scene."""
    unknown: list[Path]
    """The files whose names start with no `<city>_<6 digits>_<6 digits>`, sorted."""


def find(folder: Path) -> PredictionFiles:
    """All PNG files under a folder, at any depth, by the scene that their names start with.

    Hidden files are left out, and links to folders are not followed, as in the official scorer.

    Raises:
        InputError: if there is no such folder, no PNG file in it, or a folder in it that cannot be listed.
    """
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {kind}; give the folder that the predictions were written to")
    found = PredictionFiles({}, [])
    for path in folders.find(folder, "*.png"):
        if kind_of_name(path.relative_to(folder).as_posix()) != "hidden" and not path.is_dir():
            stem = frame_of(path.name)
            (found.unknown if stem is None else found.by_stem.setdefault(stem, [])).append(path)
    if not found.by_stem and not found.unknown:
        raise InputError(f"{folder}: no PNG file in it; give the folder that the predictions were written to")
    return found


def invalid_ids(path: Path, pixels: npt.NDArray[np.int64]) -> list[str]:
    """What is wrong with the ids of a prediction; nothing if all are label ids.

    Args:
        path: the file, to be named.
        pixels: (n,) the number of pixels of each id from 0.
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
    return [f"{found}, beside label ids; write 0 (unlabeled) for what is no class"]


def train_id_warning(confusion: npt.NDArray[np.int64]) -> str | None:
    """Why ids that are all in the table of label ids are others nevertheless, or None if they need not be.

    Args:
        confusion: (34, 34) the number of pixels of each id in the ground truth, row, and in all predictions, column.
    """
    agreements = id_kind.agreement(confusion)
    kind = id_kind.by_ground_truth(agreements)
    if kind in (None, "label ids"):
        return None
    evidence = (
        f"read as {kind} {agreements[kind]:.0%} of the pixels are right, as label ids {agreements['label ids']:.0%}"
    )
    return f"{evidence}; {_TRAIN_IDS if kind == 'train ids' else SUBTRACT_ONE}"
