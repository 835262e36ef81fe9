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
def test_squares_lie_in_the_same_places_in_all_bands_and_steps(
    pools: tuple[bool, ...], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 2, *size)
    results = []
    for threads, at_once in ((1, 1000), (1, 5), (2, 5), (3, 1), (2, 40)):
        monkeypatch.setattr(Squares, "at_once", at_once)
        workspace, crew = Workspace(), Crew()
        crew.size = threads
        with torch.inference_mode():
            results.append(Chain([Squares(pool, workspace) for pool in pools], workspace, crew)(image))
    for result in results[1:]:
        assert torch.allclose(result, results[0], atol=1e-6)


@pytest.mark.parametrize("pools", [(False, False), (False, True, False, True), (True, True, True)])
def test_squares_of_a_piece_lie_where_they_do_in_the_whole_image(pools: tuple[bool, ...]) -> None:
    workspace, shrink = Workspace(), 2 ** sum(pools)
    chain = Chain([Squares(pool, workspace) for pool in pools], workspace, Crew())
    image = torch.rand(1, 2, 192, 160)
    with torch.inference_mode():
        whole, piece = chain(image), chain(image[..., 64:, 64:])
    beyond = 32 // shrink
    assert torch.allclose(
        piece[..., beyond:, beyond:], whole[..., 64 // shrink + beyond :, 64 // shrink + beyond :], atol=1e-6
    )
