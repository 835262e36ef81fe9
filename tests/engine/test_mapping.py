import errno
import mmap

import pytest
import torch

from engine.mapping import mapped


def test_a_mapped_tensor_is_one_like_others() -> None:
    tensor = mapped(2, 3, 5)
    assert tensor.shape == (2, 3, 5)
    assert tensor.dtype == torch.float32
    assert not tensor.any()
    tensor += 1
    assert tensor.sum() == 30


def test_a_system_without_huge_pages_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(mmap.mmap):
        def madvise(self, *_: int) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Plain)
    assert mapped(4).sum() == 0
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert mapped(4).sum() == 0


def test_memory_that_is_refused_is_out_of_memory() -> None:
    with pytest.raises(torch.OutOfMemoryError, match="refuses 4611686018427387904 bytes"):
        mapped(1 << 60)
