"""The bird's-eye view in which the benchmark scores: the image pixel of each cell of a grid on the road.

The grid has 800 rows of 400 cells of 5 x 5 cm. Row 0 is 46 m ahead and row 799 6 m; column 0 is 10 m to the left and
column 399 10 m to the right. Section III of Fritsch et al. 2013, "A New Performance Measure and Evaluation Benchmark
for Road Detection Algorithms". Details that the paper leaves open follow the official tools of the benchmark.
"""

import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.arrays import Float64Array, UInt8Array
from engine.errors import InputError
from engine.files.content import read_text
from engine.files.images import image_size
from kitti_road.labels import read_confidence

ROWS, COLUMNS = 800, 400
_METRES = 0.05
_LEFT, _FAR = -10.0, 46.0

Lookup = npt.NDArray[np.int32]
"""(800, 400): index of the pixel of each cell in the flattened image, -1 for a cell outside the image."""

_SHAPES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_cam_to_road": (3, 4)}


def homography(path: Path) -> Float64Array:
    """The homography from the road to the image, from a calibration file.

    Returns:
        (3, 3): maps (x, z, 1), in metres to the right and ahead, to (u w, v w, w), with pixels u and v counted from 1.

    Raises:
        InputError: with all faults of the file.
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
    """The image pixel of each cell of the grid, for an image of this size.

    Args:
        plane: (3, 3) from `homography`.
        width: width of the image in pixels.
        height: height of the image in pixels.
    """
    # The official grid is stored in single precision and used in double precision, which matters for a few pixels.
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
    """Warp an image to the bird's-eye view, without interpolation.

    Args:
        pixels: (H, W) or (H, W, C) image.
        indices: from `lookup`, for the size of this image.
        outside: value of the cells outside the image.

    Returns:
        (800, 400) or (800, 400, C).
    """
    seen: UInt8Array = pixels.reshape(-1, *pixels.shape[2:])[indices]
    seen[indices < 0] = outside
    return seen


class WarpJob(NamedTuple):
    """Files from which the bird's-eye view of a prediction is made."""

    prediction: Path
    image: Path
    calibration: Path


def warped_png(job: WarpJob) -> bytes:
    """The bird's-eye view of a prediction as a PNG file."""
    messages: list[str] = []
    try:
        pixels = read_confidence(job.prediction)
        got, expected = (pixels.shape[1], pixels.shape[0]), image_size(job.image)
        if got != expected:
            messages.append(
                f"{job.prediction}: got {got[0]} x {got[1]} pixels, expected {expected[0]} x {expected[1]} like "
                f"{job.image}; predict at full size, in the image: this command makes the bird's-eye view"
            )
    except InputError as error:
        messages += error.messages
    try:
        plane = homography(job.calibration)
    except InputError as error:
        messages += error.messages
    if messages:
        raise InputError(*messages)
    content = io.BytesIO()
    Image.fromarray(warp(pixels, lookup(plane, *got))).save(content, format="PNG")
    return content.getvalue()


def _read(path: Path) -> dict[str, Float64Array]:
    """The matrices for the view; the file has lines `NAME: value value ...`, in row-major order."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file, but the bird's-eye view needs the calibration of every image; "
            "unpack data_road.zip again, which contains them in calib/"
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
