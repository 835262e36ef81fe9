import pytest
import torch
from torch.nn import functional

from engine.kernels.first_block import first_block, reference
from engine.normalization import Normalize

PADDING = [0, 3, 0, 7]

Arguments = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def arguments(channels: int, dtype: torch.dtype, number: int = 1) -> Arguments:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (number, 13, 18, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    weight = torch.randn(channels, 3, 3, 3).to(dtype).contiguous(memory_format=torch.channels_last)
    normalize = Normalize()
    return image, weight, torch.randn(channels), normalize.mean.flatten(), normalize.std.flatten()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])  # the interpreter multiplies bf16 as integers
@pytest.mark.parametrize(
    ("padding", "side", "ceil_mode"),
    [
        ([0, 0, 0, 0], 2, False),
        ([0, 0, 0, 0], 1, False),
        (PADDING, 2, False),
        ([2, 2, 2, 2], 2, True),
        (PADDING, 1, False),
    ],
)
def test_it_equals_torchs_layers(padding: list[int], side: int, ceil_mode: bool, dtype: torch.dtype) -> None:
    image, weight, bias, mean, std = arguments(16, dtype)
    found = first_block(image, weight, bias, mean, std, padding, side, ceil_mode)
    expected = reference(image, weight.float(), bias, mean, std, padding, side, ceil_mode)
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert expected.max() > 1
    assert (found.float() - expected).abs().max() < (1e-5 if dtype == torch.float32 else 0.02)


def test_several_images_and_odd_numbers_of_channels() -> None:
    given = arguments(21, torch.float32, number=3)
    found = first_block(*given, [0, 0, 0, 0], 2, False)
    assert torch.allclose(found, reference(*given, [0, 0, 0, 0], 2, False), atol=1e-5)


def test_the_frame_is_of_zeros_after_normalisation() -> None:
    image, weight, bias, mean, std = arguments(16, torch.float32)
    found = first_block(image, weight, bias, mean, std, PADDING, 1, False)
    expected = functional.conv2d(functional.pad(Normalize()(image), PADDING), weight, bias, padding=1).relu()
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_infinite_weights_give_nan() -> None:
    image, weight, bias, mean, std = arguments(16, torch.float32)
    weight[3, :, 1, 1] = torch.tensor([torch.inf, -torch.inf, 0])
    found = first_block(image, weight, bias, mean, std, [0, 0, 0, 0], 2, False)
    expected = reference(image, weight, bias, mean, std, [0, 0, 0, 0], 2, False)
    assert expected[:, 3].isnan().any()
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.isinf(), expected.isinf())
