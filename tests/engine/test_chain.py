import pytest
import torch
from torch import nn

from engine.chain import Chain, Crew
from engine.convolution import Convolution, Workspace


class Squares(Convolution):
    """Gives all results of a square the mean of what it comes from, so it matters where the squares lie."""

    at_once = 5

    def __init__(self, pool: bool, workspace: Workspace) -> None:
        super().__init__(nn.Conv2d(2, 2, 3, padding=1), relu=False, pool=pool, workspace=workspace)
        self.side = 4 // self.shrink

    def _make(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        down, across = -(-len(result) // self.side), -(-result.shape[1] // self.side)
        means = self._windows(image, first, down, across).mean((2, 3))
        whole = means.repeat_interleave(self.side, 0).repeat_interleave(self.side, 1)
        result.copy_(whole[: len(result), : result.shape[1]])


@pytest.mark.parametrize("size", [(96, 20), (89, 43)])
@pytest.mark.parametrize("pools", [(False, False), (False, True, False, True), (True, True, True)])
def test_squares_lie_where_they_do_in_the_whole_image(pools: tuple[bool, ...], size: tuple[int, int]) -> None:
    workspace = Workspace()
    stages: list[Convolution] = [Squares(pool, workspace) for pool in pools]
    image = torch.rand(1, 2, *size)
    with torch.inference_mode():
        expected = image
        for stage in stages:  # in one piece
            result = torch.empty(*stage.shape(*expected.shape[2:]), 2)
            stage._make(expected[0].permute(1, 2, 0), -1, result)
            expected = result.permute(2, 0, 1)[None]
        for threads in (1, 2, 3):
            crew = Crew()
            crew.size = threads
            assert torch.allclose(Chain(stages, workspace, crew)(image), expected, atol=1e-6)
