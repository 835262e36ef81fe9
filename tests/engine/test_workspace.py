import errno
import mmap
import threading

import pytest
import torch

from engine.workspace import Workspace


def test_a_lent_tensor_is_one_like_others() -> None:
    tensor = Workspace().lend(2, 3, 5)
    assert tensor.shape == (2, 3, 5)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    tensor.fill_(1)
    assert tensor.sum() == 30


def test_a_block_is_lent_again_when_no_tensor_lies_in_it() -> None:
    workspace = Workspace()
    first = workspace.lend(100)
    place, row = first.data_ptr(), first.view(10, 10)[3]
    del first
    other = workspace.lend(100)
    assert other.data_ptr() != place, "a view still lies in it"
    del row
    assert workspace.lend(5, 5).data_ptr() == place


def test_the_smallest_block_that_is_large_enough_is_lent() -> None:
    workspace = Workspace()
    large, small = workspace.lend(1000), workspace.lend(100)
    places = small.data_ptr(), large.data_ptr()
    del large, small
    held = workspace.lend(90), workspace.lend(90)
    assert (held[0].data_ptr(), held[1].data_ptr()) == places


def test_free_blocks_go_back_when_all_are_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Watched(mmap.mmap):
        def __del__(self) -> None:
            closed.append(len(self))

    monkeypatch.setattr(mmap, "mmap", Watched)
    workspace = Workspace()
    kept = workspace.lend(10)
    workspace.lend(30)
    workspace.lend(20)
    assert closed == []
    assert workspace.held == 4 * (10 + 30)
    workspace.lend(40)
    assert closed == [120]
    assert workspace.held == 4 * (10 + 40)
    assert kept.shape == (10,)


def test_threads_take_blocks_of_their_own_and_find_them_again() -> None:
    workspace, places = Workspace(), []
    taken = workspace.take("rows", 2, 3)
    thread = threading.Thread(target=lambda: places.append(workspace.take("rows", 2, 3).data_ptr()))
    thread.start()
    thread.join()
    assert taken.data_ptr() not in places
    assert workspace.take("rows", 5).data_ptr() == taken.data_ptr()
    assert workspace.take("other", 5).data_ptr() != taken.data_ptr()
    assert workspace.take("rows", 7).shape == (7,)


def test_a_system_without_huge_pages_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(mmap.mmap):
        def madvise(self, *_: int) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Plain)
    assert Workspace().lend(4).shape == (4,)
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert Workspace().lend(4).shape == (4,)


def test_memory_that_is_refused_is_out_of_memory() -> None:
    workspace = Workspace()
    with pytest.raises(torch.OutOfMemoryError, match="refuses 4611686018427387904 bytes"):
        workspace.lend(1 << 60)
    with pytest.raises(torch.OutOfMemoryError, match="refuses 4611686018427387904 bytes"):
        workspace.take("rows", 1 << 60)
    assert workspace.lend(4).shape == workspace.take("rows", 4).shape
