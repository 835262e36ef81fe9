"""2 x 2 max pooling and ReLU of a training step in one pass, and their gradient in one.

torch keeps an index of 8 bytes beside each maximum, reads it and the whole image again for the gradient, and fills
that with zeros first. Here a byte says which of the four it was, or that ReLU made it 0. Maxima and gradients are
torch's bit for bit: the first of equal numbers gets the gradient.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch.nn import functional

_NUMBERS = 2048
"""Results of a program."""
_CHANNELS = 128
"""Of those, most channels of a place, which lie side by side in memory."""


@triton.jit(do_not_specialize=range(3, 8))  # sizes: or batches of many sizes would be compiled for, again and again
def _forward(
    image, result, origin,
    height, width, rows, columns, results,
    CHANNELS: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * M + tl.arange(0, M)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    number, row, column = place // (rows * columns), (place // columns) % rows, place % columns
    shown = (place[:, None] < results) & (channel[None, :] < CHANNELS)
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
    where = place.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    tl.store(result + where, best.to(result.dtype.element_ty), mask=shown)
    tl.store(origin + where, winner.to(tl.uint8), mask=shown)


@triton.jit(do_not_specialize=range(3, 10))
def _backward(
    gradient, origin, result,
    height, width, rows, columns, down, across, places,
    CHANNELS: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * M + tl.arange(0, M)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    number, row, column = place // (down * across), (place // across) % down, place % across
    shown = (place[:, None] < places) & (channel[None, :] < CHANNELS)
    known = shown & ((row < rows) & (column < columns))[:, None]  # an odd row or column may be left out
    where = ((number * rows + row) * columns + column).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    value = tl.load(gradient + where, mask=known, other=0.0)
    winner = tl.load(origin + where, mask=known, other=4)
    for position in tl.static_range(4):
        y, x = 2 * row + position // 2, 2 * column + position % 2
        inside = shown & ((y < height) & (x < width))[:, None]
        where = ((number * height + y) * width + x).to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        tl.store(result + where, tl.where(winner == position, value, 0.0).to(result.dtype.element_ty), mask=inside)


@torch.library.custom_op("engine::pool_relu", mutates_args=())
def pool_relu(image: torch.Tensor, ceil_mode: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the maxima of squares of 2 x 2, and ReLU.

    Args:
        image: (N, C, H, W), in channels_last memory.
        ceil_mode: whether a square that an odd size cuts off counts.

    Returns:
        (N, C, H / 2, W / 2), and uint8 of that shape: the number of the square that each is from, 4 where it is 0.
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
    """Bring the gradient of the results, in channels_last memory, to where they are from: (N, C, H, W)."""
    result = _spread(gradient, origin, height, width)
    number, channels, rows, columns = gradient.shape
    down, across = -(-height // 2), -(-width // 2)
    places = number * down * across
    grid, *sizes = _blocks(places, channels)
    _backward[grid](gradient, origin, result, height, width, rows, columns, down, across, places, channels, *sizes)
    return result


@pool_relu_backward.register_fake
def _spread(gradient: torch.Tensor, origin: torch.Tensor, height: int, width: int) -> torch.Tensor:
    shape = *gradient.shape[:2], height, width
    return torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)


def _blocks(places: int, channels: int) -> tuple[tuple[int, int], int, int]:
    """Programs, and the places and channels of each."""
    wide = min(_CHANNELS, triton.next_power_of_2(channels))
    high = _NUMBERS // wide
    return (triton.cdiv(places, high), triton.cdiv(channels, wide)), high, wide


def _keep(ctx: Any, inputs: tuple[torch.Tensor, bool], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)  # or the origins, which have no gradient, would get one of zeros
    ctx.size = inputs[0].shape[-2:]
    ctx.save_for_backward(output[1])


def _gradient(ctx: Any, gradient: torch.Tensor, _: torch.Tensor | None) -> tuple[torch.Tensor, None]:
    (origin,) = ctx.saved_tensors
    return pool_relu_backward(gradient.contiguous(memory_format=torch.channels_last), origin, *ctx.size), None


pool_relu.register_autograd(_gradient, setup_context=_keep)


def reference(image: torch.Tensor, ceil_mode: bool) -> torch.Tensor:
    """The same by torch, with its gradient."""
    return functional.max_pool2d(image, 2, ceil_mode=ceil_mode).relu()
