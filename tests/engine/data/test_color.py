import math
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from engine.data.color import ColorAdjustment, ColorJitter
from engine.data.transforms import original_augmentation


def adjusted(pixels: torch.Tensor, **changes: Any) -> torch.Tensor:
    return ColorAdjustment(**changes).apply(pixels)


COLORS = torch.randint(40, 180, (3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_no_change_of_colours_changes_nothing() -> None:
    assert torch.equal(adjusted(COLORS), COLORS)
    assert torch.equal(adjusted(COLORS, hue_angle=6.283185307179586), COLORS)


def test_one_matrix_equals_separate_steps() -> None:
    for name, function in (
        ("brightness", functional.adjust_brightness),
        ("contrast", functional.adjust_contrast),
        ("saturation", functional.adjust_saturation),
    ):
        expected = function(tv_tensors.Image(COLORS), 1.3)
        assert (adjusted(COLORS, **{name: 1.3}).int() - expected.int()).abs().max() <= 2, name


def test_rotating_the_hue_keeps_the_grey() -> None:
    grey = torch.full((3, 4, 4), 90, dtype=torch.uint8)
    assert torch.equal(adjusted(grey, hue_angle=1.0), grey)
    luma = torch.tensor([0.299, 0.587, 0.114])
    before, after = (luma @ colors.flatten(1).float() for colors in (COLORS, adjusted(COLORS, hue_angle=0.3)))
    assert (before - after).abs().max() < 2


def test_colours_are_swapped_as_torchvision_does() -> None:
    order = (2, 0, 1)
    assert torch.equal(adjusted(COLORS, order=order), functional.permute_channels(COLORS, list(order)))


def original() -> ColorJitter:
    colors = original_augmentation(32, 255).color_jitter
    assert colors is not None
    return colors


def test_original_colours_vary_as_much_as_torchvisions() -> None:
    torch.manual_seed(0)
    ours, theirs = original(), v2.RandomPhotometricDistort()
    draws = [ours.draw() for _ in range(2000)]
    for name in ("brightness", "contrast", "saturation"):
        values = torch.tensor([getattr(draw, name) for draw in draws])
        low, high = getattr(theirs, name)
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        assert abs((values != 1).float().mean() - theirs.p) < 0.05
    turns = torch.tensor([draw.hue_angle for draw in draws]) / (2 * math.pi)
    assert abs(turns.max() - theirs.hue[1]) < 0.002
    assert abs(turns.min() - theirs.hue[0]) < 0.002
    swapped = sum(draw.order != (0, 1, 2) for draw in draws) / len(draws)
    assert abs(swapped - theirs.p * 5 / 6) < 0.05


def test_original_colours_change_pixels_as_much_as_torchvisions() -> None:
    image = tv_tensors.Image(torch.nn.functional.interpolate(COLORS[None].float(), scale_factor=2)[0].to(torch.uint8))
    theirs = v2.Compose([v2.RandomPhotometricDistort(), v2.GaussianBlur(kernel_size=5, sigma=(0.1, 2.0))])
    changes = []
    for distort in (lambda: original().draw().apply(image), lambda: theirs(image)):
        torch.manual_seed(1)
        changes.append(sum((distort().int() - image.int()).abs().float().mean() for _ in range(200)) / 200)
    assert 0.9 < changes[0] / changes[1] < 1.1


def test_blur_is_torchvisions() -> None:
    image = tv_tensors.Image(torch.randint(0, 256, (3, 150, 40), dtype=torch.uint8))
    for sigma in (0.1, 0.7, 2.0):
        blurred = adjusted(image, blur_sigma=sigma)
        expected = functional.gaussian_blur(image, [5, 5], [sigma, sigma])
        assert (blurred.int() - expected.int()).abs().max() <= 1
        assert (blurred == expected).float().mean() > 0.99


def test_widths_of_the_original_blur() -> None:
    torch.manual_seed(0)
    widths = torch.tensor([original().draw().blur_sigma for _ in range(500)])
    assert 0.1 <= widths.min() < 0.15
    assert 1.95 < widths.max() <= 2.0


def test_rows_and_the_layout_in_memory_make_no_difference() -> None:
    image = torch.randint(0, 256, (3, 150, 40), dtype=torch.uint8)
    changes = {"contrast": 1.3, "hue_angle": 0.2, "brightness": 0.9}
    matrix = 1.3 * 0.9 * torch.from_numpy(ColorAdjustment(hue_angle=0.2).matrix())
    grey = torch.tensor([0.299, 0.587, 0.114]) @ image.float().mean((1, 2))
    whole = torch.einsum("ij,jhw->ihw", matrix, image.float()) + grey * 0.9 * (1 - 1.3)
    expected = whole.round().clamp(0, 255).to(torch.uint8)
    assert (adjusted(image, **changes).int() - expected.int()).abs().max() <= 1
    interleaved = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(adjusted(interleaved, **changes), adjusted(image, **changes))
