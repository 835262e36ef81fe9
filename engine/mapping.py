"""Large tensors in memory of their own."""

import contextlib
import mmap

import torch


def mapped(*shape: int) -> torch.Tensor:
    """A float32 tensor of zeros on the CPU, in huge pages where the system has them.

    Matrix products run through whole tensors, and so through hundreds of pages of 4 KiB at once, more than a processor
    remembers the places of. The memory lies outside of the C library's heap, where blocks of many sizes leave holes
    that fit none, and goes back to the system as soon as it is freed.

    Raises:
        torch.OutOfMemoryError: if the system refuses that much.
    """
    size = torch.Size(shape).numel() * torch.float32.itemsize
    try:
        memory = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise torch.OutOfMemoryError(f"the system refuses {size} bytes of memory ({error})") from error
    with contextlib.suppress(AttributeError, OSError):  # not on Linux, or a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)


def mapped_like(image: torch.Tensor) -> torch.Tensor:
    """One for an (N, C, H, W) image of any type, in channels_last memory."""
    batch, channels, height, width = image.shape
    return mapped(batch, height, width, channels).permute(0, 3, 1, 2)
