"""Scores of one level in one kernel: 1 x 1 convolution of its features, plus the coarser scores upsampled by 2.

The upsampling is a transposed convolution of 4 x 4 with stride 2. Each result is a sum over 2 x 2 coarser scores with
one of four sets of weights. The set depends on whether row and column, counted from the start of the padding, are even:

    coarser      a     b     c          row z = y + padding takes coarser rows z // 2 and z // 2 - 1,
    results    . a ab ab bc bc c .      with rows z % 2 and z % 2 + 2 of the kernel

A Triton program computes the scores of M pixels with the same set.
"""

import torch
import triton
import triton.language as tl
from torch import nn

_FEW = 1 << 14
"""Number of results below which programs are smaller, so that there are enough of them for all parts of a GPU."""
_FEATURES = 64
"""Number of feature channels that are multiplied at once."""
MAX_CLASSES = 32
"""Most classes that the kernel supports; more would need more shared memory than smaller GPUs have."""


@triton.jit(do_not_specialize=range(7, 16))  # otherwise compiled for each image size
def _scores(
    features, weight, bias, factor, coarser, upsampling, result,
    height, width, offset, coarse_height, coarse_width, padding, rows, columns, number,
    CHANNELS: tl.constexpr, CLASSES: tl.constexpr, STEP: tl.constexpr,
    M: tl.constexpr, F: tl.constexpr, C: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0) * M + tl.arange(0, M)
    kind = tl.program_id(1)
    down, across = (rows + STEP - 1) // STEP, (columns + STEP - 1) // STEP
    image, y, x = index // (down * across), (index // across) % down, index % across
    y, x = STEP * y + kind // 2, STEP * x + kind % 2
    there = (image < number) & (y < rows) & (x < columns)
    category = tl.arange(0, C)
    pixel = ((image * height + y + offset) * width + x + offset).to(tl.int64)
    sums = tl.zeros((M, C), tl.float32)
    for start in range(0, CHANNELS, F):
        channel = start + tl.arange(0, F)
        valid = channel < CHANNELS
        feature = tl.load(
            features + pixel[:, None] * CHANNELS + channel[None, :], mask=there[:, None] & valid[None, :], other=0.0
        )
        part = tl.load(weight + channel[:, None] * C + category[None, :], mask=valid[:, None], other=0.0)
        sums += tl.dot(feature, part, input_precision="ieee", out_dtype=tl.float32)
    sums = sums * factor + tl.load(bias + category)[None, :]
    if STEP == 2:
        k = tl.arange(0, K)
        up, back, source = k // (2 * CLASSES), (k // CLASSES) % 2, k % CLASSES
        set_y, set_x = (kind // 2 + padding) % 2, (kind % 2 + padding) % 2
        above = ((y + padding) // 2)[:, None] - up[None, :]
        left = ((x + padding) // 2)[:, None] - back[None, :]
        valid = (above >= 0) & (above < coarse_height) & (left >= 0) & (left < coarse_width)
        valid = valid & there[:, None] & (k[None, :] < 4 * CLASSES)
        where = ((image[:, None] * coarse_height + above) * coarse_width + left) * CLASSES + source[None, :]
        corners = tl.load(coarser + where, mask=valid, other=0.0)
        part = tl.load(upsampling + ((2 * set_y + set_x) * K + k[:, None]) * C + category[None, :])
        sums += tl.dot(corners, part, input_precision="ieee", out_dtype=tl.float32)
    where = ((image * rows + y) * columns + x).to(tl.int64)[:, None] * CLASSES + category[None, :]
    tl.store(result + where, sums.to(result.dtype.element_ty), mask=there[:, None] & (category[None, :] < CLASSES))


@torch.library.custom_op("engine::scores", mutates_args=())
def scores(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    factor: float,
    offset: int,
    classes: int,
    coarser: torch.Tensor | None,
    upsampling: torch.Tensor | None,
    padding: int,
) -> torch.Tensor:
    """Compute the scores of features, and add the upsampled coarser scores.

    Args:
        features: (N, F, H, W) features, in channels_last memory.
        weight: weights of the 1 x 1 convolution, from `pack_weights`.
        bias: bias of the convolution, from `pack_weights`.
        factor: factor on the features.
        offset: row and column of the features at which the scores begin.
        classes: number of classes C.
        coarser: (N, C, h, w) scores, in channels_last memory; None for the coarsest level.
        upsampling: weights of the upsampling, from `pack_upsampling`; None for the coarsest level.
        padding: padding of the upsampling.

    Returns:
        (N, C, 2 h + 2 - 2 padding, ...) scores in channels_last memory; at the coarsest level of the features' size.
    """
    result = _empty(features, weight, bias, factor, offset, classes, coarser, upsampling, padding)
    rows, columns = result.shape[-2:]
    step = 1 if coarser is None else 2
    if coarser is None or upsampling is None:
        coarser, upsampling = features, weight  # placeholders, which are not read
    positions = len(features) * -(-rows // step) * -(-columns // step)
    block = 16 if step * step * positions < _FEW else 64
    _scores[(triton.cdiv(positions, block), step * step)](
        features, weight, bias, factor, coarser, upsampling, result,
        *features.shape[-2:], offset, *coarser.shape[-2:], padding, rows, columns, len(features),
        features.shape[1], classes, step, block, _FEATURES, weight.shape[1], _taps(classes),
    )  # fmt: skip
    return result


@scores.register_fake
def _empty(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    factor: float,
    offset: int,
    classes: int,
    coarser: torch.Tensor | None,
    upsampling: torch.Tensor | None,
    padding: int,
) -> torch.Tensor:
    height, width = features.shape[-2:]
    if coarser is not None:
        height, width = (2 * side + 2 - 2 * padding for side in coarser.shape[-2:])
    shape = len(features), classes, height, width
    return torch.empty(shape, dtype=features.dtype, device=features.device, memory_format=torch.channels_last)


def pack_weights(score: nn.Conv2d, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (F, C) and bias (C,) of a 1 x 1 convolution for the kernel, with C padded to a power of two."""
    classes = score.out_channels
    weight = score.weight.new_zeros(score.in_channels, _padded(classes), dtype=dtype)
    weight[:, :classes] = score.weight.detach()[:, :, 0, 0].T
    bias = score.weight.new_zeros(_padded(classes), dtype=torch.float32)
    if score.bias is not None:
        bias[:classes] = score.bias.detach()
    return weight, bias


def pack_upsampling(layer: nn.ConvTranspose2d, dtype: torch.dtype) -> torch.Tensor:
    """Weights of the upsampling for the kernel: (4 sets, 2 x 2 scores of C classes, C), padded to powers of two."""
    classes = layer.in_channels
    parts = layer.weight.detach().view(classes, classes, 2, 2, 2, 2)  # in, out, up, set_y, back, set_x
    sets = parts.permute(3, 5, 2, 4, 0, 1).reshape(4, 4 * classes, classes)
    weight = sets.new_zeros(4, _taps(classes), _padded(classes), dtype=dtype)
    weight[:, : 4 * classes, :classes] = sets
    return weight


def reference(
    features: torch.Tensor,
    score: nn.Conv2d,
    factor: float,
    offset: int,
    coarser: torch.Tensor | None,
    upsampling: nn.ConvTranspose2d | None,
) -> torch.Tensor:
    """The same steps by torch."""
    scored: torch.Tensor = score(features * factor)
    if coarser is None or upsampling is None:
        return scored
    upsampled: torch.Tensor = upsampling(coarser)
    height, width = upsampled.shape[-2:]
    return upsampled + scored[..., offset : offset + height, offset : offset + width]


def _padded(classes: int) -> int:
    return max(16, triton.next_power_of_2(classes))


def _taps(classes: int) -> int:
    return max(16, triton.next_power_of_2(4 * classes))
