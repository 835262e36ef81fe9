"""Regions equal those of torchvision number by number, and so does the state of the generator afterwards."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from engine.data.regions import AreaRegions, OneOf, PlainRegions, Region, Regions, ScaledRegions

SHAPES = [(120, 200), (50, 50), (30, 200), (200, 30), (20, 25), (50, 49)]
EVERY_KIND: list[Regions] = [ScaledRegions(50, (0.5, 2.0)), PlainRegions(50), AreaRegions()]


def both(seed: int, ours: Regions, theirs: v2.Transform, height: int, width: int) -> tuple[Region, dict[str, int]]:
    """Draw by our code and by torchvision; both must leave the generator in the same state."""
    torch.manual_seed(seed)
    region = ours.draw(height, width, None)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    expected = theirs.make_params([tv_tensors.Mask(torch.empty(height, width, dtype=torch.uint8))])
    assert torch.equal(torch.get_rng_state(), state)
    return region, expected


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_plain_regions_are_those_of_torchvision(height: int, width: int) -> None:
    for seed in range(30):
        region, expected = both(seed, PlainRegions(50), v2.RandomCrop(50, pad_if_needed=True), height, width)
        left, top = expected["padding"][:2]  # type: ignore[index]
        assert region == (expected["top"] - top, expected["left"] - left, 50, 50)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_area_regions_are_those_of_torchvision(height: int, width: int) -> None:
    for seed in range(30):
        region, expected = both(seed, AreaRegions(), v2.RandomResizedCrop(50), height, width)
        assert region._asdict() == expected


@pytest.mark.parametrize(("height", "width"), [(10, 400), (400, 10), (100, 120)])
def test_the_region_is_central_if_no_shape_fits(height: int, width: int) -> None:
    ours, theirs = AreaRegions((1.1, 1.2)), v2.RandomResizedCrop(50, scale=(1.1, 1.2))
    region, expected = both(0, ours, theirs, height, width)
    assert region._asdict() == expected


def test_kinds_are_chosen_as_torchvision_does() -> None:
    one, other = Region(1, 1, 1, 1), Region(2, 2, 2, 2)

    class Always(PlainRegions):
        def draw(self, height: int, width: int, pixel: tuple[int, int] | None) -> Region:
            return one if self.size == 1 else other

    ours = OneOf((Always(1), Always(2)), (0.7, 0.3))
    theirs = v2.RandomChoice([lambda _: one, lambda _: other], p=[0.7, 0.3])
    torch.manual_seed(0)
    expected = [theirs(None) for _ in range(50)]
    torch.manual_seed(0)
    assert [ours.draw(5, 5, None) for _ in range(50)] == expected
    assert {one, other} == set(expected)


@pytest.mark.parametrize("regions", EVERY_KIND, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_regions_contain_the_pixel(regions: Regions, height: int, width: int) -> None:
    torch.manual_seed(0)
    for pixel in ((0, 0), (height - 1, width - 1), (height // 2, width // 3)):
        for _ in range(20):
            top, left, down, across = regions.draw(height, width, pixel)
            assert top <= pixel[0] < top + down
            assert left <= pixel[1] < left + across


def test_scales_cover_the_range_evenly_in_both_directions() -> None:
    torch.manual_seed(0)
    sides = torch.tensor([ScaledRegions(50, (0.5, 2.0)).draw(200, 200, None).height for _ in range(500)])
    assert 25 <= sides.min() < 30
    assert 90 < sides.max() <= 100
    assert 0.4 < (sides < 50).float().mean() < 0.6
