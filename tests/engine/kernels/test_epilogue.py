import pytest
import torch

from engine.kernels.epilogue import bias_pool_relu, bias_relu_, reference


def convolved(channels: int, dtype: torch.dtype, size: tuple[int, int] = (9, 14)) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, channels, *size).to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [64, 40, 300])
def test_bias_and_relu_equal_torchs(channels: int, dtype: torch.dtype) -> None:
    image, bias = convolved(channels, dtype), torch.randn(channels)
    expected = reference(image, bias)
    bias_relu_(image, bias)
    difference = (image.float() - expected.float()).abs()
    assert difference.max() == 0 or dtype == torch.bfloat16
    assert (difference <= expected.float() / 128).all()  # the interpreter truncates to bf16 instead of rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("channels", [64, 200])
def test_bias_pooling_and_relu_equal_torchs(channels: int, ceil_mode: bool, dtype: torch.dtype) -> None:
    image, bias = convolved(channels, dtype), torch.randn(channels)
    found = bias_pool_relu(image, bias, ceil_mode)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, reference(image, bias, 2, ceil_mode))


def test_nan_is_kept() -> None:
    image, bias = convolved(16, torch.float32), torch.zeros(16)
    image[0, 3, 4, 6] = torch.nan
    found = bias_pool_relu(image, bias, False)
    assert found[0, 3, 2, 3].isnan()
    assert found.isnan().sum() == 1
    bias_relu_(image, bias)
    assert image.isnan().sum() == 1
