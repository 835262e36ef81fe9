import gc
import time

import pytest
import torch
from torch import nn

from engine.chain import Chain, Crew
from engine.convolution import Convolution
from engine.inference.receptive_field import ALIGNMENT
from engine.workspace import Workspace


class Squares(Convolution):
    """Gives all results of a square the mean of what it comes from, so it matters where the squares lie."""

    at_once = 5

    def __init__(self, side: int, pool: bool, workspace: Workspace) -> None:
        super().__init__(nn.Conv2d(2, 2, 3, padding=1), relu=False, pool=pool, workspace=workspace)
        self.side = side // self.shrink

    def step(self, width: int) -> int:
        return self.side * max(1, self.at_once // -(-width // self.side))

    def fill(self, image: torch.Tensor, framed: bool, first: int, result: torch.Tensor) -> None:
        down, across = -(-len(result) // self.side), -(-result.shape[1] // self.side)
        stride = self.shrink * self.side
        rows = self._rows(image, framed, first, stride * down + 2, stride * across + 2)
        means = rows.unfold(0, stride + 2, stride).unfold(1, stride + 2, stride).mean((3, 4))
        whole = means.repeat_interleave(self.side, 0).repeat_interleave(self.side, 1)
        result.copy_(whole[: len(result), : result.shape[1]])


class Failing(Squares):
    """Fails in the upper half of an image, and takes long in the lower one."""

    done = 0

    def fill(self, image: torch.Tensor, framed: bool, first: int, result: torch.Tensor) -> None:
        if first < 20:
            raise torch.OutOfMemoryError("no more")
        time.sleep(0.2)
        super().fill(image, framed, first, result)
        self.done += 1


Stages = tuple[tuple[int, bool], ...]
"""Side of the squares before pooling, and whether results are pooled."""
CHAINS: list[Stages] = [
    ((4, False), (4, False)),
    ((4, False), (4, True), (4, False), (4, True)),
    ((6, True), (6, False), (6, True)),
    ((6, False), (4, False), (6, True), (4, False)),
]


@pytest.mark.parametrize("size", [(96, 20), (89, 43)])
@pytest.mark.parametrize("stages", CHAINS)
def test_squares_lie_in_the_same_places_in_all_bands_and_steps(
    stages: Stages, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 2, *size)
    results = []
    for threads, at_once in ((1, 1000), (1, 5), (2, 5), (3, 1), (2, 40)):
        monkeypatch.setattr(Squares, "at_once", at_once)
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        workspace, crew = Workspace(), Crew()
        with torch.inference_mode():
            results.append(Chain([Squares(*stage, workspace) for stage in stages], workspace, crew)(image))
    for result in results[1:]:
        assert torch.allclose(result, results[0], atol=1e-6)


@pytest.mark.parametrize("stages", CHAINS)
def test_squares_of_a_piece_lie_where_they_do_in_the_whole_image(stages: Stages) -> None:
    workspace, shrink = Workspace(), 2 ** sum(pool for _, pool in stages)
    chain = Chain([Squares(*stage, workspace) for stage in stages], workspace, Crew())
    image = torch.rand(1, 2, 2 * ALIGNMENT, ALIGNMENT + 96)
    with torch.inference_mode():
        whole, piece = chain(image), chain(image[..., ALIGNMENT:, ALIGNMENT:])
    beyond = 48 // shrink
    piece, whole = piece[..., beyond:, beyond:], whole[..., ALIGNMENT // shrink :, ALIGNMENT // shrink :]
    assert torch.allclose(piece, whole[..., beyond:, beyond:], atol=1e-6)


def test_all_is_over_when_a_job_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    workspace = Workspace()
    stage = Failing(4, False, workspace)
    chain = Chain([stage], workspace, Crew())
    with torch.inference_mode():
        with pytest.raises(torch.OutOfMemoryError, match="no more"):
            chain(torch.rand(1, 2, 48, 16))
        done = stage.done
        assert done > 0
        time.sleep(0.3)
    assert stage.done == done
    gc.collect()
    assert len(workspace._free) == 1
