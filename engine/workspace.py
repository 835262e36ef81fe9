"""Memory for large tensors that is used again and again, since fresh memory costs as much time as filling it."""

import contextlib
import math
import mmap
import threading
import weakref

import torch


class Workspace:
    """Blocks of memory for one network's predictions on a CPU, from the system's own pages.

    They lie outside of the C library's heap, where blocks of many sizes leave holes that fit none.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._free: list[mmap.mmap] = []
        self._lending = threading.Lock()
        self._all: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    @property
    def held(self) -> int:
        """Bytes of all blocks, free ones included."""
        return sum(len(block) for block in self._all)

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """A contiguous float32 tensor of any content in the block of that name; it overwrites what was there.

        Each thread has its own blocks.

        Raises:
            torch.OutOfMemoryError: if the system refuses that much.
        """
        size = math.prod(shape)
        blocks: dict[str, torch.Tensor] = self._own.__dict__
        if name not in blocks or len(blocks[name]) < size:
            blocks.pop(name, None)
            blocks[name] = torch.frombuffer(self._new(4 * size), dtype=torch.float32)
        return blocks[name][:size].view(shape)

    def lend(self, *shape: int) -> torch.Tensor:
        """A contiguous float32 tensor of any content, in a block that nothing else has as long as it lives.

        Then the block is lent again; those that are free go back to the system when none of them is large enough.

        Raises:
            torch.OutOfMemoryError: if the system refuses that much.
        """
        size = 4 * math.prod(shape)
        with self._lending:
            fitting = [block for block in self._free if len(block) >= size]
            if fitting:
                block = min(fitting, key=len)
                self._free.remove(block)
            else:
                self._free.clear()
                block = self._new(size)
        view = memoryview(block)[:size]  # which ends with the tensor, as that alone refers to it
        weakref.finalize(view, self._free.append, block).atexit = False
        return torch.frombuffer(view, dtype=torch.float32).view(shape)

    def release(self) -> None:
        """Give back what no tensor lies in; the blocks of threads that are at work, and that they take, stay theirs."""
        with self._lending:
            self._free.clear()
        self._own = threading.local()

    def _new(self, size: int) -> mmap.mmap:
        block = _mapped(size)
        self._all.add(block)
        return block


def _mapped(size: int) -> mmap.mmap:
    """So many bytes in huge pages, where the system has them.

    Matrix products run through whole tensors, and so through hundreds of pages of 4 KiB at once, more than a processor
    remembers the places of.
    """
    try:
        memory = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise torch.OutOfMemoryError(f"the system refuses {size} bytes of memory ({error})") from error
    with contextlib.suppress(AttributeError, OSError):  # not on Linux, or a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
