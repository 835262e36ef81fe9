"""Large tensors in memory of their own."""

import mmap

import torch

_BYTES = torch.float32.itemsize


def mapped(*shape: int) -> torch.Tensor:
    """A float32 tensor of zeros on the CPU, whose memory goes back to the system as soon as it is freed.

    The C library keeps some of what is freed below its threshold, which grows up to 32 MiB, and blocks of many sizes
    leave holes that fit none: a tenth of the memory of a prediction.
    """
    size = torch.Size(shape).numel()
    memory = mmap.mmap(-1, max(1, size) * _BYTES, access=mmap.ACCESS_COPY)
    return torch.frombuffer(memory, dtype=torch.float32, count=max(1, size))[:size].view(shape)
