import pytest
import torch
from torch import nn

from engine.kernels.ids import ids, pack_weights, reference

TABLE = (torch.arange(256) * 7).to(torch.uint8)


def upsampling(classes: int, stride: int, padding: int) -> nn.ConvTranspose2d:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(classes, classes, 2 * stride, stride=stride, padding=padding, bias=False)
    return layer.requires_grad_(False)


@pytest.mark.parametrize(
    ("classes", "stride", "padding", "crop"),
    [(19, 8, 4, 0), (2, 8, 0, 13), (21, 16, 0, 27), (32, 4, 2, 0), (3, 6, 3, 1)],
)
def test_ids_equal_torchs(classes: int, stride: int, padding: int, crop: int) -> None:
    layer = upsampling(classes, stride, padding)
    scores = torch.randn(1, classes, 7, 9).contiguous(memory_format=torch.channels_last)
    finite = [torch.tensor(True), torch.tensor(True)]
    height, width = 7 * stride - 2 * crop - 3, 9 * stride - 2 * crop - 1
    expected = reference(scores, layer, TABLE, finite[0], crop, height, width)
    matrix = pack_weights(layer, torch.float32)
    found = ids(scores, matrix, TABLE, finite[1], crop + padding, stride, height, width)
    assert (found.dtype, found.shape) == (torch.uint8, (height, width))
    assert len(set(found.flatten().tolist())) > 1
    assert torch.equal(found, expected)
    assert finite == [True, True]


def test_the_first_of_equal_classes_wins() -> None:
    layer = upsampling(4, 8, 4)
    layer.weight[:] = 0
    layer.weight[range(4), range(4)] = 1
    scores = torch.tensor([1.0, 2.0, 2.0, 0.0]).view(1, 4, 1, 1).expand(1, 4, 3, 3)
    scores = scores.contiguous(memory_format=torch.channels_last)
    found = ids(scores, pack_weights(layer, torch.float32), TABLE, torch.tensor(True), 4, 8, 24, 24)
    assert set(found.flatten().tolist()) == {7}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("position", [(0, 0), (6, 8), (3, 4)])
def test_scores_that_are_not_finite_are_noted(value: float, position: tuple[int, int]) -> None:
    layer = upsampling(3, 8, 4)
    scores = torch.randn(1, 3, 7, 9).contiguous(memory_format=torch.channels_last)
    scores[0, 1, position[0], position[1]] = value
    finite = torch.tensor(True)
    ids(scores, pack_weights(layer, torch.float32), TABLE, finite, 4, 8, 56, 72)
    assert not finite
