"""2 x 2 max pooling and ReLU of a training step in one kernel, and their gradient in another.

torch stores an index of 8 bytes with each maximum. For the gradient it reads the indices and the whole image again,
and fills the result with zeros first. Here one byte holds the position of the maximum in its window, or that ReLU made
it 0. Maxima and gradients equal torch's bit for bit: the first of equal values gets the gradient.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch.nn import functional

_NUMBERS = 2048
"""Number of results of a Triton program: pixels times channels."""
_CHANNELS = 128
"""Most channels per pixel in a program; channels of a pixel are adjacent in memory."""


@triton.jit(do_not_specialize=range(3, 8))  # otherwise compiled for each batch size
def _forward(
    image, result, origin,
    height, width, rows, columns, results,
    CHANNELS: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0) * M + tl.arange(0, M)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    number, row, column = index // (rows * columns), (index // columns) % rows, index % columns
    shown = (index[:, None] < results) & (channel[None, :] < CHANNELS)
    best = tl.full((M, C), float("-inf"), tl.float32)
    winner = tl.zeros((M, C), tl.int32)
    for position in tl.static_range(4):
        y, x = 2 * row + position // 2, 2 * column + position % 2
        inside = shown & ((y < height) & (x < width))[:, None]
        where = ((number * height + y) * width + x).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        value = tl.load(image + where, mask=inside, other=float("-inf")).to(tl.float32)
        better = (value > best) | (value != value)  # noqa: PLR0124  # NaN
        best = tl.where(better, value, best)
        winner = tl.where(better, position, winner)
    winner = tl.where(best <= 0.0, 4, winner)
    best = tl.where(best <= 0.0, 0.0, best)
    where = index.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    tl.store(result + where, best.to(result.dtype.element_ty), mask=shown)
    tl.store(origin + where, winner.to(tl.uint8), mask=shown)


@triton.jit(do_not_specialize=range(3, 10))
def _backward(
    gradient, origin, result,
    height, width, rows, columns, down, across, positions,
    CHANNELS: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0) * M + tl.arange(0, M)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    number, row, column = index // (down * across), (index // across) % down, index % across
    shown = (index[:, None] < positions) & (channel[None, :] < CHANNELS)
    valid = shown & ((row < rows) & (column < columns))[:, None]  # an odd last row or column may be outside all windows
    where = ((number * rows + row) * columns + column).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    value = tl.load(gradient + where, mask=valid, other=0.0)
    winner = tl.load(origin + where, mask=valid, other=4)
    for position in tl.static_range(4):
        y, x = 2 * row + position // 2, 2 * column + position % 2
        inside = shown & ((y < height) & (x < width))[:, None]
        where = ((number * height + y) * width + x).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        tl.store(result + where, tl.where(winner == position, value, 0.0).to(result.dtype.element_ty), mask=inside)


@torch.library.custom_op("engine::pool_relu", mutates_args=())
def pool_relu(image: torch.Tensor, ceil_mode: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply 2 x 2 max pooling and ReLU.

    Args:
        image: (N, C, H, W) features, in channels_last memory.
        ceil_mode: whether odd sizes are rounded up, with a smaller last window, instead of down.

    Returns:
        (N, C, H / 2, W / 2) results, and their uint8 origins: positions 0 to 3 in the window, or 4 where ReLU gave 0.
    """
    result, origin = _pooled(image, ceil_mode)
    number, channels, rows, columns = result.shape
    grid, *sizes = _blocks(number * rows * columns, channels)
    _forward[grid](image, result, origin, *image.shape[-2:], rows, columns, number * rows * columns, channels, *sizes)
    return result, origin


@pool_relu.register_fake
def _pooled(image: torch.Tensor, ceil_mode: bool) -> tuple[torch.Tensor, torch.Tensor]:
    number, channels, height, width = image.shape
    more = 1 if ceil_mode else 0
    shape = number, channels, (height + more) // 2, (width + more) // 2
    result = torch.empty(shape, dtype=image.dtype, device=image.device, memory_format=torch.channels_last)
    return result, torch.empty_like(result, dtype=torch.uint8)


@torch.library.custom_op("engine::pool_relu_backward", mutates_args=())
def pool_relu_backward(gradient: torch.Tensor, origin: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Gradient of the input, (N, C, H, W), from the gradient of the results in channels_last memory."""
    result = _spread(gradient, origin, height, width)
    number, channels, rows, columns = gradient.shape
    down, across = -(-height // 2), -(-width // 2)
    positions = number * down * across
    grid, *sizes = _blocks(positions, channels)
    _backward[grid](gradient, origin, result, height, width, rows, columns, down, across, positions, channels, *sizes)
    return result


@pool_relu_backward.register_fake
def _spread(gradient: torch.Tensor, origin: torch.Tensor, height: int, width: int) -> torch.Tensor:
    shape = *gradient.shape[:2], height, width
    return torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)


def _blocks(positions: int, channels: int) -> tuple[tuple[int, int], int, int]:
    """Grid of programs, and the pixels and channels of each program."""
    wide = min(_CHANNELS, triton.next_power_of_2(channels))
    high = _NUMBERS // wide
    return (triton.cdiv(positions, high), triton.cdiv(channels, wide)), high, wide


def _keep(ctx: Any, inputs: tuple[torch.Tensor, bool], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # otherwise the origins would get a gradient of zeros
    ctx.size = inputs[0].shape[-2:]
    ctx.save_for_backward(output[1])


def _gradient(ctx: Any, gradient: torch.Tensor, _: torch.Tensor | None) -> tuple[torch.Tensor, None]:
    (origin,) = ctx.saved_tensors
    return pool_relu_backward(gradient.contiguous(memory_format=torch.channels_last), origin, *ctx.size), None


pool_relu.register_autograd(_gradient, setup_context=_keep)


def reference(image: torch.Tensor, ceil_mode: bool) -> torch.Tensor:
    """The same steps by torch, with its gradient."""
    return functional.max_pool2d(image, 2, ceil_mode=ceil_mode).relu()
