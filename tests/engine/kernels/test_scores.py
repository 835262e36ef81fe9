import pytest
import torch
from torch import nn

from engine.kernels.scores import pack_upsampling, pack_weights, reference, scores


def level(classes: int, channels: int, padding: int) -> tuple[nn.Conv2d, nn.ConvTranspose2d]:
    torch.manual_seed(0)
    upsampling = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=padding, bias=False)
    return nn.Conv2d(channels, classes, 1).requires_grad_(False), upsampling.requires_grad_(False)


def random_features(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("classes", "channels", "padding", "offset", "factor"),
    [(19, 96, 1, 0, 1.0), (5, 64, 0, 4, 0.01), (32, 64, 1, 0, 1.0)],
)
def test_scores_with_coarser_ones_equal_torchs(
    classes: int, channels: int, padding: int, offset: int, factor: float
) -> None:
    score, upsampling = level(classes, channels, padding)
    coarser = random_features(2, classes, 3, 5)
    rows, columns = (2 * side + 2 - 2 * padding + 2 * offset for side in coarser.shape[-2:])
    features = random_features(2, channels, rows, columns)
    expected = reference(features, score, factor, offset, coarser, upsampling)
    weights = pack_weights(score, torch.float32)
    up = pack_upsampling(upsampling, torch.float32)
    found = scores(features, *weights, factor, offset, classes, coarser, up, padding)
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_coarsest_scores_equal_torchs(dtype: torch.dtype) -> None:
    score, _ = level(19, 64, 1)
    features = random_features(1, 64, 5, 7).to(dtype)
    found = scores(features, *pack_weights(score, dtype), 1.0, 0, 19, None, None, 0)
    assert found.dtype == dtype
    expected = reference(features.float(), score, 1.0, 0, None, None)
    assert torch.allclose(found.float(), expected, atol=1e-5 if dtype == torch.float32 else 0.01)
