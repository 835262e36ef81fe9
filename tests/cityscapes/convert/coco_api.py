"""The run-length encodings of the COCO API, pixel by pixel and number by number: those of `pycocotools`.

Behaviour of `common/maskApi.c` of github.com/cocodataset/cocoapi at commit 28dffd9: rleEncode, rleToString, rleFrPoly.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def counts_of(mask: Mask) -> list[int]:
    """The runs of a (H, W) mask, down the columns, the background first."""
    counts, value = [0], False
    for pixel in mask.T.reshape(-1).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def text_of(counts: list[int]) -> str:
    """Compressed counts: differences from the number two before, in groups of five bits."""
    text = []
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text.append(chr(48 + (bits | (32 if more else 0))))
    return "".join(text)


def compressed(mask: Mask) -> dict[str, Any]:
    """`pycocotools.mask.encode`, with the counts decoded to text as all programs do for JSON."""
    return {"size": list(mask.shape), "counts": text_of(counts_of(mask))}


def uncompressed(mask: Mask) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": counts_of(mask)}


def drawn(polygon: list[float], height: int, width: int) -> Mask:
    """The mask of a polygon x, y, x, y, ...: five samples per pixel along its outline, one by one."""
    x = [int(5 * value + 0.5) for value in polygon[0::2]]
    y = [int(5 * value + 0.5) for value in polygon[1::2]]
    across, down = [], []
    for place in range(len(x)):
        following = (place + 1) % len(x)
        samples = edge(x[place], y[place], x[following], y[following])
        across += [sample[0] for sample in samples]
        down += [sample[1] for sample in samples]
    flips = np.zeros(width * height + 1, np.int64)
    for before, after in zip(range(len(across)), range(1, len(across)), strict=False):
        if across[before] == across[after]:
            continue
        column = (min(across[before], across[after]) + 0.5) / 5 - 0.5
        if column == math.floor(column) and 0 <= column <= width - 1:
            row = math.ceil(min(max((min(down[before], down[after]) + 0.5) / 5 - 0.5, 0), height))
            flips[int(column) * height + row] += 1
    inside: Mask = np.cumsum(flips[:-1]) % 2 == 1
    return inside.reshape(width, height).T


def edge(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """The samples of an edge, from its first to its last vertex."""
    across, down = abs(x1 - x0), abs(y1 - y0)
    flat = across >= down
    flipped = x0 > x1 if flat else y0 > y1
    if flipped:
        x0, y0, x1, y1 = x1, y1, x0, y0
    length = across if flat else down
    slope = ((y1 - y0) if flat else (x1 - x0)) / length if length else 0.0
    steps = range(length, -1, -1) if flipped else range(length + 1)
    if flat:
        return [(x0 + step, int(y0 + slope * step + 0.5)) for step in steps]
    return [(int(x0 + slope * step + 0.5), y0 + step) for step in steps]
