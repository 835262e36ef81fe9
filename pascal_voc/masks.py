"""Mask files -> class indices: palette PNGs of VOC, and MATLAB files of SBD."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.images import image_size, open_image, read_ids
from pascal_voc.labels import CLASSES, PALETTE, VOID

_LAST = len(CLASSES) - 1
_RECOVER_INDICES = (
    "unpack SegmentationClass again, or, if the colours are the official ones, recover the indices: "
    "pascal_voc.masks.indices_of_colors(rgb)"
)


def read_mask(path: Path) -> UInt8Array:
    """The (H, W) class indices, 0 to 20 or 255 for void, in a VOC mask (.png) or an SBD mask (.mat).

    Raises:
        InputError: if the file cannot be read, is in colour, or has other indices.
    """
    return _checked(path, _read_mat(path) if path.suffix == ".mat" else _read_png(path))


def mask_size(path: Path) -> tuple[int, int]:
    """Width and height of a mask file."""
    if path.suffix == ".mat":
        height, width = _read_mat(path).shape
        return width, height
    return image_size(path)


def indices_of_colors(rgb: UInt8Array) -> UInt8Array:
    """Recover the class indices of a mask that was converted to colours.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) class indices; 255 for the border and for all colours that are not in the palette.
    """
    indices = np.full(1 << 24, VOID, np.uint8)
    indices[_codes(PALETTE[: len(CLASSES)])] = range(len(CLASSES))
    back: UInt8Array = indices[_codes(rgb)]
    return back


def _codes(rgb: UInt8Array) -> npt.NDArray[np.int64]:
    red, green, blue = np.moveaxis(rgb.astype(np.int64), -1, 0)
    codes: npt.NDArray[np.int64] = red << 16 | green << 8 | blue
    return codes


def _read_png(path: Path) -> npt.NDArray[Any]:
    image = open_image(path)
    if image.mode in ("RGB", "RGBA"):
        raise InputError(
            f"{path}: expected a palette PNG of class indices, got an image of mode {image.mode}; another program "
            f"replaced the indices by colours when it saved the file: {_RECOVER_INDICES}"
        )
    if image.mode != "P":
        return read_ids(path)
    indices = np.asarray(image)
    _require_official_palette(path, image, indices)
    return indices


def _require_official_palette(path: Path, image: Image.Image, indices: UInt8Array) -> None:
    """Refuse a palette with the official colours at other indices, which is the result of converting a colour image."""
    palette = np.zeros((256, 3), np.uint8)
    given = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(given)] = given
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    moved = used[(palette[used] != PALETTE[used]).any(1)]
    official = set(_codes(PALETTE[[*range(len(CLASSES)), VOID]]).tolist())
    if moved.size and set(_codes(palette[used]).tolist()) <= official:
        raise InputError(
            f"{path}: expected the palette of VOC, got its colours at other indices ({moved[0]} is "
            f"{tuple(palette[moved[0]].tolist())}); it lost its indices before it became a palette image again: "
            f"{_RECOVER_INDICES}"
        )


def _read_mat(path: Path) -> npt.NDArray[Any]:
    remedy = "use the files of benchmark_RELEASE/dataset/cls, which contain GTcls (those of inst/ contain GTinst)"
    content = _load_mat(path)
    if "GTcls" not in content:
        names = ", ".join(name for name in content if not name.startswith("__")) or "nothing"
        raise InputError(f"{path}: expected an SBD file with GTcls, got {names}; {remedy}")
    struct = content["GTcls"]
    if "Segmentation" not in (struct.dtype.names or ()) or struct.size != 1:
        raise InputError(f"{path}: expected GTcls with a field Segmentation, got {struct.dtype}; {remedy}")
    return np.asarray(struct["Segmentation"].item())


def _load_mat(path: Path) -> dict[str, Any]:
    # Imported here because only SBD needs it, and the import is slow.
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(f"{path}: no such file; unpack SBD again")
    try:
        content: dict[str, Any] = loadmat(path)
    except Exception as error:  # scipy raises almost any exception for a damaged file
        raise InputError(f"{path}: damaged MATLAB file ({error}); unpack SBD again") from error
    return content


def _checked(path: Path, indices: npt.NDArray[Any]) -> UInt8Array:
    if indices.ndim != 2 or indices.dtype.kind not in "ui":
        raise InputError(
            f"{path}: expected a two-dimensional mask of indices, got {indices.shape} {indices.dtype}; unpack it again"
        )
    present = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    foreign = present[(present > _LAST) & (present != VOID)]
    if foreign.size:
        named = ", ".join(map(str, foreign[:8])) + (", ..." if foreign.size > 8 else "")
        raise InputError(
            f"{path}: index {named}, expected 0 to {_LAST} or {VOID}; this is not a mask of classes, or it was "
            "converted to grey: unpack SegmentationClass again"
        )
    return indices.astype(np.uint8, copy=False)
