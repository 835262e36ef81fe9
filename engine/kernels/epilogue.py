"""Epilogue of a convolution in one kernel: bias, 2 x 2 max pooling and ReLU.

torch takes one pass over memory for each step, and its pooling writes an index of 8 bytes with each maximum. Without
pooling the kernel works in place.
"""

import torch
import triton
import triton.language as tl
from torch.nn import functional

_NUMBERS = 2048
"""Number of results of a Triton program: pixels times channels."""
_CHANNELS = 128
"""Most channels per pixel in a program; channels of a pixel are adjacent in memory."""


@triton.jit(do_not_specialize=range(3, 8))  # otherwise compiled for each image size
def _epilogue(
    convolved, bias, result,
    height, width, rows, columns, results,
    CHANNELS: tl.constexpr, SIDE: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0) * M + tl.arange(0, M)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    number, row, column = index // (rows * columns), (index // columns) % rows, index % columns
    shown = (index[:, None] < results) & (channel[None, :] < CHANNELS)
    best = tl.full((M, C), float("-inf"), tl.float32)
    for position in tl.static_range(SIDE * SIDE):
        y, x = SIDE * row + position // SIDE, SIDE * column + position % SIDE
        inside = shown & ((y < height) & (x < width))[:, None]
        where = ((number * height + y) * width + x).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        value = tl.load(convolved + where, mask=inside, other=float("-inf")).to(tl.float32)
        best = tl.maximum(best, value, propagate_nan=tl.PropagateNan.ALL)
    value = best + tl.load(bias + channel, mask=channel < CHANNELS, other=0.0)[None, :]
    value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    where = index.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    tl.store(result + where, value.to(result.dtype.element_ty), mask=shown)


def _launch(convolved: torch.Tensor, bias: torch.Tensor, result: torch.Tensor, side: int) -> None:
    height, width = convolved.shape[-2:]
    number, channels, rows, columns = result.shape
    results = number * rows * columns
    wide = min(_CHANNELS, triton.next_power_of_2(channels))
    positions = _NUMBERS // wide
    _epilogue[(triton.cdiv(results, positions), triton.cdiv(channels, wide))](
        convolved, bias, result, height, width, rows, columns, results, channels, side, positions, wide
    )


@torch.library.custom_op("engine::bias_relu_", mutates_args=("convolved",))
def bias_relu_(convolved: torch.Tensor, bias: torch.Tensor) -> None:
    """Add a bias and apply ReLU, in place.

    Args:
        convolved: (N, C, H, W) result of a convolution, in channels_last memory.
        bias: (C,) float32 bias.
    """
    _launch(convolved, bias, convolved, 1)


@bias_relu_.register_fake
def _nothing(convolved: torch.Tensor, bias: torch.Tensor) -> None:
    pass


@torch.library.custom_op("engine::bias_pool_relu", mutates_args=())
def bias_pool_relu(convolved: torch.Tensor, bias: torch.Tensor, ceil_mode: bool) -> torch.Tensor:
    """Add a bias, and apply 2 x 2 max pooling and ReLU.

    Args:
        convolved: (N, C, H, W) result of a convolution, in channels_last memory.
        bias: (C,) float32 bias.
        ceil_mode: whether odd sizes are rounded up, with a smaller last window, instead of down.

    Returns:
        (N, C, H / 2, W / 2), in channels_last memory.
    """
    result = _pooled(convolved, bias, ceil_mode)
    _launch(convolved, bias, result, 2)
    return result


@bias_pool_relu.register_fake
def _pooled(convolved: torch.Tensor, bias: torch.Tensor, ceil_mode: bool) -> torch.Tensor:
    number, channels, height, width = convolved.shape
    more = 1 if ceil_mode else 0
    shape = number, channels, (height + more) // 2, (width + more) // 2
    return torch.empty(shape, dtype=convolved.dtype, device=convolved.device, memory_format=torch.channels_last)


def reference(convolved: torch.Tensor, bias: torch.Tensor, side: int = 1, ceil_mode: bool = False) -> torch.Tensor:
    """The same steps by torch, in a new tensor."""
    value = convolved.float() + bias.view(-1, 1, 1)
    value = functional.max_pool2d(value, side, ceil_mode=ceil_mode) if side > 1 else value
    return value.relu().to(convolved.dtype)
