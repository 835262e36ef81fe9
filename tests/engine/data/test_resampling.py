import pytest
import torch
from torchvision.transforms.v2 import functional

from engine.data.resampling import Axis, split_for_tf32


def tf32(values: torch.Tensor) -> torch.Tensor:
    """Round float32 to the 11 bits that tensor cores read."""
    bits = values.view(torch.int32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


def weights(start: int, side: int, size: int, length: int) -> torch.Tensor:
    """Weights (S, length) of one region."""
    positions = torch.arange(size, dtype=torch.float32)[None]
    start_, side_ = torch.tensor([float(start)]), torch.tensor([float(side)])
    return Axis(start_, side_, side_ / size, positions).weights(length)[0]


@pytest.mark.parametrize(("side", "size"), [(7, 7), (9, 4), (4, 9), (50, 7), (97, 33), (1, 5), (400, 3), (30, 31)])
def test_weights_are_those_of_torch_bit_by_bit(side: int, size: int) -> None:
    """On columns of noise, which show each wrong weight; enlarged, reduced up to 130 times, and unchanged."""
    column = torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(side))
    expected = functional.resize(column, [size, side], antialias=True)
    found = (weights(0, side, size, side).double() @ column.double() + 0.5).floor().clamp(0, 255)
    assert torch.equal(found.to(torch.uint8), expected)


def test_a_region_beyond_the_image_is_black_there() -> None:
    image = torch.randint(0, 256, (3, 20, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(image, [0, 7, 0, 5], fill=0)
    expected = functional.resize(padded, [11, 8], antialias=True)
    found = (weights(-7, 32, 11, 20) @ image.float() + 0.5).floor().clamp(0, 255)
    assert torch.equal(found.to(torch.uint8), expected)


def test_weights_of_the_largest_images_are_exact() -> None:
    """Centres in float32 would be off by a quarter of a thousandth of a pixel at the end of 4096 pixels."""
    column = torch.randint(0, 256, (3, 4096, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    expected = functional.resize(column, [2111, 4], antialias=True)
    found = (weights(0, 4096, 2111, 4096) @ column.float() + 0.5).floor().clamp(0, 255)
    assert torch.equal(found.to(torch.uint8), expected)


def test_nearest_pixels_are_those_of_torch() -> None:
    for side, size in ((7, 7), (9, 4), (4, 9), (97, 33), (2111, 1024), (513, 1024)):
        column = torch.arange(side, dtype=torch.float32)[None, :, None]
        expected = functional.resize(column, [size, 1], functional.InterpolationMode.NEAREST)[0, :, 0]
        positions = torch.arange(size, dtype=torch.float32)[None]
        side_ = torch.tensor([float(side)])
        pixels, inside = Axis(torch.tensor([0.0]), side_, side_ / size, positions).nearest(side)
        assert torch.equal(pixels[0].float(), expected)
        assert inside.all()


def test_products_in_tf32_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = weights(3, 90, 41, 100)
    assert split_for_tf32(exact) == (exact,)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    high, low = split_for_tf32(exact)
    assert torch.equal(high + low, exact)
    assert torch.equal(tf32(high), high)
    assert torch.equal(tf32(low), low)
    assert not torch.equal(tf32(exact), exact), "or this test would show nothing"
    matrix = torch.rand(3, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    assert (sum(tf32(part).double() for part in split_for_tf32(matrix)) - matrix).abs().max() < 1e-7
