"""Coarse scores to ids in one kernel: the last upsampling, argmax, and the lookup of ids.

The upsampling is a transposed convolution whose kernel is twice its stride S, so a block of S x S pixels depends on
2 x 2 coarse scores. A Triton program takes M blocks, or some of their pixels, and computes the logits of one class
after another in registers. Only ids are written. For 19 classes at 1024 x 2048 that moves 0.004 GB instead of 0.2.
"""

import torch
import triton
import triton.language as tl
from torch import nn

_BLOCKS = 64
"""Number of blocks in a program."""
_PIXELS = 64
"""Most pixels of each block in a program."""
MAX_CLASSES = 32
"""Most classes that the kernel supports; more would need more shared memory than smaller GPUs have."""


@triton.jit(do_not_specialize=range(5, 14))  # otherwise compiled for each image size
def _ids(
    scores, matrix, table, finite, result,
    score_height, score_width, first_row, first_column, across, blocks, offset, height, width,
    CLASSES: tl.constexpr, STRIDE: tl.constexpr, M: tl.constexpr, P: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0) * M + tl.arange(0, M)
    row, column = first_row + block // across, first_column + block % across
    k = tl.arange(0, K)
    up, back, source = k // (2 * CLASSES), (k // CLASSES) % 2, k % CLASSES
    y, x = row[:, None] - up[None, :], column[:, None] - back[None, :]
    valid = (y >= 0) & (y < score_height) & (x >= 0) & (x < score_width)
    valid = valid & (k[None, :] < 4 * CLASSES) & (block[:, None] < blocks)
    corners = tl.load(scores + (y * score_width + x) * CLASSES + source[None, :], mask=valid, other=0.0)
    beyond = tl.where(tl.abs(corners.to(tl.float32)) < float("inf"), 0, 1)
    tl.store(finite, False, mask=tl.max(tl.max(beyond, 1), 0) > 0)

    pixel = tl.program_id(1) * P + tl.arange(0, P)
    inside = pixel < STRIDE * STRIDE
    best = tl.full((M, P), float("-inf"), tl.float32)
    winner = tl.zeros((M, P), tl.int32)
    for category in range(CLASSES):
        part = tl.load(
            matrix + (category * K + k[:, None]) * (STRIDE * STRIDE) + pixel[None, :], mask=inside[None, :], other=0.0
        )
        logits = tl.dot(corners, part, input_precision="ieee", out_dtype=tl.float32)
        better = logits > best  # the first of equal classes wins
        best = tl.where(better, logits, best)
        winner = tl.where(better, category, winner)
    y = (row * STRIDE - offset)[:, None] + (pixel // STRIDE)[None, :]
    x = (column * STRIDE - offset)[:, None] + (pixel % STRIDE)[None, :]
    shown = (y >= 0) & (y < height) & (x >= 0) & (x < width) & inside[None, :] & (block[:, None] < blocks)
    tl.store(result + y * width + x, tl.load(table + winner), mask=shown)


@torch.library.custom_op("engine::ids", mutates_args=("finite",))
def ids(
    scores: torch.Tensor,
    matrix: torch.Tensor,
    table: torch.Tensor,
    finite: torch.Tensor,
    offset: int,
    stride: int,
    height: int,
    width: int,
) -> torch.Tensor:
    """Upsample the scores of an image, and classify its pixels.

    Args:
        scores: (1, C, h, w) coarse scores, in channels_last memory.
        matrix: weights of the upsampling, from `pack_weights`.
        table: (256,) uint8 ids of the classes.
        finite: bool scalar; set to False if a score of the image is NaN or infinite.
        offset: row and column of the upsampled scores at which the image begins.
        stride: stride of the upsampling.
        height: height of the image.
        width: width of the image.

    Returns:
        (H, W) uint8 ids.
    """
    result = _empty(scores, matrix, table, finite, offset, stride, height, width)
    first = offset // stride
    down, across = ((offset + side - 1) // stride - first + 1 for side in (height, width))
    classes = scores.shape[1]
    pixels = min(_PIXELS, max(16, triton.next_power_of_2(stride**2)))
    _ids[(triton.cdiv(down * across, _BLOCKS), triton.cdiv(stride**2, pixels))](
        scores, matrix, table, finite, result,
        *scores.shape[-2:], first, first, across, down * across, offset, height, width,
        classes, stride, _BLOCKS, pixels, matrix.shape[1], num_stages=2,
    )  # fmt: skip
    return result


@ids.register_fake
def _empty(
    scores: torch.Tensor,
    matrix: torch.Tensor,
    table: torch.Tensor,
    finite: torch.Tensor,
    offset: int,
    stride: int,
    height: int,
    width: int,
) -> torch.Tensor:
    return torch.empty((height, width), dtype=torch.uint8, device=scores.device)


def pack_weights(layer: nn.ConvTranspose2d, dtype: torch.dtype) -> torch.Tensor:
    """Weights of the upsampling for the kernel: (C, 2 x 2 scores of C classes padded to a power of two, S * S)."""
    classes, stride = layer.in_channels, layer.stride[0]
    parts = layer.weight.detach().view(classes, classes, 2, stride, 2, stride)  # in, out, up, row, back, column
    matrix = parts.permute(1, 2, 4, 0, 3, 5).reshape(classes, 4 * classes, stride**2)
    taps = max(16, triton.next_power_of_2(4 * classes))
    result = matrix.new_zeros(classes, taps, stride**2, dtype=dtype)
    result[:, : 4 * classes] = matrix
    return result


def reference(
    scores: torch.Tensor,
    layer: nn.ConvTranspose2d,
    table: torch.Tensor,
    finite: torch.Tensor,
    offset: int,
    height: int,
    width: int,
) -> torch.Tensor:
    """The same steps by torch; here `offset` counts in the layer's result, after its padding was cropped."""
    finite.logical_and_(scores.isfinite().all())
    logits = layer(scores)[0, :, offset : offset + height, offset : offset + width]
    return table[logits.argmax(0)]
