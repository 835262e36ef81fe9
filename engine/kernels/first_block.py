"""The first layers of a network in one pass over the pixels.

Pixels are normalised, and zeros put around them, while they are read for the first 3 x 3 convolution; its bias, 2 x 2
max pooling and ReLU come before anything is written. For an image of 1024 x 2048 that moves 0.07 GB in place of 2.

A program makes M results of all channels: for each of the four positions that are pooled, a product of

    27 taps of M pixels (3 rows x 3 columns x RGB), zeros up to 32      (M, 32)
    the filters, likewise                                               (32, channels)
"""

import torch
import triton
import triton.language as tl
from torch.nn import functional

_RESULTS = 64
"""Results of a program, of all channels."""
MOST_CHANNELS = 128


@triton.jit(do_not_specialize=range(6, 15))  # sizes: or images of many sizes would be compiled for, again and again
def _first_block(
    image, weight, bias, mean, std, result,
    image_height, image_width, left, top, height, width, rows, columns, results,
    CHANNELS: tl.constexpr, SIDE: tl.constexpr, M: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * M + tl.arange(0, M)
    number, row, column = place // (rows * columns), (place // columns) % rows, place % columns
    tap = tl.arange(0, 32)
    down, right, color = tap // 9, (tap // 3) % 3, tap % 3
    channel = tl.arange(0, C)
    filters = tl.load(
        weight + channel[None, :] * 27 + tap[:, None],
        mask=(tap[:, None] < 27) & (channel[None, :] < CHANNELS),
        other=0.0,
    )
    shift = tl.load(mean + color)[None, :]
    scale = tl.load(std + color)[None, :]
    best = tl.full((M, C), float("-inf"), tl.float32)
    for position in tl.static_range(SIDE * SIDE):
        y, x = SIDE * row + position // SIDE, SIDE * column + position % SIDE
        seen_y = y[:, None] + down[None, :] - 1 - top
        seen_x = x[:, None] + right[None, :] - 1 - left
        seen = (seen_y >= 0) & (seen_y < image_height) & (seen_x >= 0) & (seen_x < image_width)
        seen = seen & (tap[None, :] < 27) & (place[:, None] < results)
        first = number[:, None] * image_height
        pixel = tl.load(image + ((first + seen_y) * image_width + seen_x) * 3 + color[None, :], mask=seen, other=0)
        value = tl.where(seen, (pixel.to(tl.float32) - shift) / scale, 0.0).to(filters.dtype)
        sums = tl.dot(value, filters, input_precision="ieee", out_dtype=tl.float32)
        inside = (y < height) & (x < width)  # where an odd size is rounded up, there is nothing beyond it
        best = tl.maximum(best, tl.where(inside[:, None], sums, float("-inf")), propagate_nan=tl.PropagateNan.ALL)
    shown = channel < CHANNELS
    value = best + tl.load(bias + channel, mask=shown, other=0.0)[None, :]
    value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    where = place.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    tl.store(result + where, value.to(result.dtype.element_ty), mask=(place[:, None] < results) & shown[None, :])


@torch.library.custom_op("engine::first_block", mutates_args=())
def first_block(
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    frame: list[int],
    side: int,
    ceil_mode: bool,
) -> torch.Tensor:
    """Normalise, frame, convolve, add a bias, pool, ReLU.

    Args:
        image: (N, 3, H, W) uint8, in channels_last memory.
        weight: (C, 3, 3, 3), in the dtype of the result and in channels_last memory.
        bias: (C,) float32.
        mean: 3 numbers, float32; of 255.
        std: likewise.
        frame: zeros left, right, above and below the normalised image.
        side: of the squares that are pooled; 1 for no pooling, or 2.
        ceil_mode: whether a square that an odd size cuts off counts.

    Returns:
        (N, C, h, w), in channels_last memory.
    """
    result = _empty(image, weight, bias, mean, std, frame, side, ceil_mode)
    number, channels, rows, columns = result.shape
    left, right, top, bottom = frame
    height, width = image.shape[-2:]
    results = number * rows * columns
    _first_block[(triton.cdiv(results, _RESULTS),)](
        image, weight, bias, mean, std, result,
        height, width, left, top, top + height + bottom, left + width + right, rows, columns, results,
        channels, side, _RESULTS, max(16, triton.next_power_of_2(channels)), num_warps=8,
    )  # fmt: skip
    return result


@first_block.register_fake
def _empty(
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    frame: list[int],
    side: int,
    ceil_mode: bool,
) -> torch.Tensor:
    left, right, top, bottom = frame
    height, width = top + image.shape[2] + bottom, left + image.shape[3] + right
    more = side - 1 if ceil_mode else 0
    shape = len(image), len(weight), (height + more) // side, (width + more) // side
    return torch.empty(shape, dtype=weight.dtype, device=image.device, memory_format=torch.channels_last)


def reference(
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    frame: list[int],
    side: int,
    ceil_mode: bool,
) -> torch.Tensor:
    """The same by torch."""
    normalized = (image.float() - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    framed = functional.pad(normalized, frame).to(weight.dtype)
    convolved = functional.conv2d(framed, weight, bias.to(weight.dtype), padding=1)
    return functional.max_pool2d(convolved, side, ceil_mode=ceil_mode).relu() if side > 1 else convolved.relu()
