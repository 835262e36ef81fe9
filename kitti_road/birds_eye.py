"""The bird's-eye view that the benchmark scores in: which pixel of an image shows which spot of the road.

The grid has 800 rows of 400 spots of 5 x 5 cm: row 0 lies 46 m ahead, row 799 6 m; column 0 lies 10 m to the
left, column 399 10 m to the right. Section III of Fritsch et al. 2013, "A New Performance Measure and
Evaluation Benchmark for Road Detection Algorithms"; where the paper leaves it open, as the server's own tools.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.arrays import Float64Array, UInt8Array
from engine.errors import InputError
from engine.files.content import read_text

ROWS, COLUMNS = 800, 400
_METRES = 0.05
_LEFT, _FAR = -10.0, 46.0

Lookup = npt.NDArray[np.int32]
"""(800, 400): the index of each spot's pixel in the image read row by row, -1 where the image shows none."""

_SHAPES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_cam_to_road": (3, 4)}


def homography(path: Path) -> Float64Array:
    """The mapping of the road onto the image in a calibration file.

    Returns:
        (3, 3): (x, z, 1) in metres to the right and ahead -> (u w, v w, w), with u and v counted from 1.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    matrices = _read(path)
    camera = np.eye(4)
    camera[:3, :3] = matrices["R0_rect"]
    road = np.eye(4)
    road[:3] = matrices["Tr_cam_to_road"]
    try:
        projection = matrices["P2"] @ camera @ np.linalg.inv(road)
    except np.linalg.LinAlgError as error:
        raise InputError(f"{path}: Tr_cam_to_road cannot be inverted; unpack data_road.zip again") from error
    plane: Float64Array = projection[:, [0, 2, 3]]  # the road is where y = 0
    return plane


def lookup(plane: Float64Array, width: int, height: int) -> Lookup:
    """Where each spot of the grid is seen in an image of this size.

    Args:
        plane: (3, 3) from `homography`.
        width: of the image in pixels.
        height: likewise.
    """
    # The official grid is held in single precision and used in double; that decides a few pixels.
    x = (_LEFT + _METRES * (np.arange(COLUMNS) + 0.5)).astype(np.float32).astype(np.float64)
    z = (_FAR - _METRES * (np.arange(ROWS) + 0.5)).astype(np.float32).astype(np.float64)[:, None]
    u, v, w = (row[0] * x + row[1] * z + row[2] for row in plane)  # (800, 400) each
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = u / w, v / w
    inside = (u >= 1) & (u <= width) & (v >= 1) & (v <= height)
    indices = np.full((ROWS, COLUMNS), -1, np.int32)
    indices[inside] = (v[inside].astype(np.int32) - 1) * width + u[inside].astype(np.int32) - 1
    return indices


def warp(pixels: UInt8Array, indices: Lookup, outside: int = 0) -> UInt8Array:
    """Show (H, W) or (H, W, C) pixels from above, each as it is.

    Args:
        pixels: of an image.
        indices: from `lookup`, for the size of this image.
        outside: the value of the spots that the image does not show.

    Returns:
        (800, 400) or (800, 400, C).
    """
    seen: UInt8Array = pixels.reshape(-1, *pixels.shape[2:])[indices]
    seen[indices < 0] = outside
    return seen


def _read(path: Path) -> dict[str, Float64Array]:
    """The matrices that the view needs; the file has `NAME: value value ...` lines, row by row."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file, and the bird's-eye view needs the calibration of every image; "
            "unpack data_road.zip again, which has them in calib/"
        )
    parts = [line.partition(":") for line in read_text(path).splitlines()]
    values = {name.strip(): rest.split() for name, _, rest in parts}
    number = Counter(name.strip() for name, _, _ in parts)
    matrices, faults = {}, []
    for name, shape in _SHAPES.items():
        try:
            matrix = np.array(values[name], np.float64).reshape(shape)
            if number[name] > 1 or not np.isfinite(matrix).all():
                raise ValueError
            matrices[name] = matrix
        except (KeyError, ValueError):
            got = f"{len(values[name])} values" if name in values else "no such line"
            got = f"{number[name]} such lines" if number[name] > 1 else got
            faults.append(
                f"{path}: {name}: got {got}, expected {shape[0] * shape[1]} finite numbers; unpack data_road.zip again"
            )
    if faults:
        raise InputError(*faults)
    return matrices
