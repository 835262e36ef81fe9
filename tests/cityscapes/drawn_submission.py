"""A small submission, and the type of a fixture that expects its refusal."""

import io
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from cityscapes.id_kind import SHARES
from cityscapes.labels import LABEL_ID_OF

Ids = npt.NDArray[Any]

SIZE = (32, 16)
STEMS = [f"{city}_000000_{frame:06d}" for city in ("berlin", "bonn") for frame in (19, 20, 21)]


def usual_train_ids() -> npt.NDArray[np.uint8]:
    """A mask of all classes, with frequencies similar to Cityscapes."""
    counts = np.maximum(1, np.floor(SHARES * (SIZE[0] * SIZE[1] - 12))).astype(int)
    counts[0] += SIZE[0] * SIZE[1] - counts.sum()
    return np.repeat(np.arange(19, dtype=np.uint8), counts).reshape(SIZE[::-1])


TRAIN_IDS = usual_train_ids()
LABEL_IDS = LABEL_ID_OF[TRAIN_IDS]


class CheckErrors(Protocol):
    """Check a folder or zip by command, assert that it is refused, and return the error lines."""

    def __call__(self, path: Path = ..., *, with_root: bool = True) -> list[str]: ...


def save(path: Path, pixels: Ids) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def png(pixels: Ids) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def prediction(folder: Path, stem: str) -> Path:
    return folder / stem.split("_", maxsplit=1)[0] / f"{stem}_labelId_preds.png"


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*.png")):
            packed.write(path, path.relative_to(folder))
    return archive
