"""Mask files -> train ids: grey masks of 11 classes, and colour masks of 32."""

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt

from camvid.labels import SEGNET, SEGNET_VOID, TRAIN_ID_OF_COLOR, VOID, read_class_table
from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.images import open_image, read_ids
from engine.findings import counted

CLASS_TABLE = "class_dict.csv"

TWELVE_CLASSES = (
    f"this is CamVid with 12 classes: the protocol of the papers has {len(SEGNET)}, ids 0 to {SEGNET_VOID - 1}, and "
    f"{SEGNET_VOID} is void"
)

_UNKNOWN = 254
"""Placeholder in lookups for colours that are not in the class table."""

_TRAIN_ID_OF = np.full(256, VOID, np.uint8)
_TRAIN_ID_OF[: len(SEGNET)] = range(len(SEGNET))


def read_grey(path: Path) -> UInt8Array:
    """(H, W) train ids of a grey mask of 11 classes; both 11 and 255 are void.

    Raises:
        InputError: if it cannot be read, is in colour, or has other ids.
    """
    ids = read_ids(path)
    pixels = np.bincount(ids.ravel(), minlength=256)
    present = np.flatnonzero(pixels)
    # 255 may be void, but not together with 11, because 11 would then be a class.
    foreign = present[(present > SEGNET_VOID) & ((present != VOID) | (SEGNET_VOID in present))]
    if foreign.size:
        named = ", ".join(map(str, foreign[:8])) + (", ..." if foreign.size > 8 else "")
        raise InputError(
            f"{path}: id {named} on {pixels[foreign].sum()} pixels, expected 0 to {SEGNET_VOID}; {_explained(foreign)}"
        )
    return _TRAIN_ID_OF[ids]


def _explained(foreign: npt.NDArray[np.int_]) -> str:
    if foreign.tolist() in ([SEGNET_VOID + 1], [VOID]):
        return f"{TWELVE_CLASSES}; number the classes from 0 and write {SEGNET_VOID} for void"
    return "use the masks of the SegNet tutorial: python -m camvid.download"


def read_colored(path: Path) -> UInt8Array:
    """(H, W) train ids of a colour mask; a class_dict.csv in its folder or the one above replaces the official colours.

    Raises:
        InputError: if it cannot be read, is not in colour, or has colours that are not in the table.
    """
    image = open_image(path)
    if image.mode in ("L", "I", "I;16", "1"):
        raise InputError(
            f"{path}: expected colours, got grey ids; give --benchmark camvid for masks of 11 classes, "
            "or the folder with the colour masks"
        )
    rgb = np.asarray(image.convert("RGB")).astype(np.uint32)
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    ids: UInt8Array = train_id_of_code(path.parent)[codes]
    unknown = codes[ids == _UNKNOWN]
    if unknown.size:
        colors = [(int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in np.unique(unknown)]
        named = ", ".join(map(str, colors[:4])) + (", ..." if len(colors) > 4 else "")
        raise InputError(
            f"{path}: {counted(len(colors), 'colour')} on {unknown.size} pixels not in the class table ({named}); "
            "masks must not be JPEG files or resized with interpolation: unpack them again"
        )
    return ids


@functools.lru_cache(maxsize=4)  # 16 MiB each; training alternates between few folders
def train_id_of_code(folder: Path) -> UInt8Array:
    """(1 << 24,) lookup from colour codes, 0xRRGGBB, to train ids, for the masks in a folder.

    The colours are those of the class table in the folder or the one above, otherwise the official ones. The lookup
    takes 5 ms for a mask of 960 x 720; searching for its colours takes 17 ms.
    """
    tables = (parent / CLASS_TABLE for parent in (folder, folder.parent))
    found = next((read_class_table(path) for path in tables if path.is_file()), TRAIN_ID_OF_COLOR)
    ids = np.full(1 << 24, _UNKNOWN, np.uint8)
    for (red, green, blue), train_id in found.items():
        ids[red << 16 | green << 8 | blue] = train_id
    return ids
