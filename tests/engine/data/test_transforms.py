import torch
from torchvision import tv_tensors

from engine.data.color import ColorJitter
from engine.data.regions import ScaledRegions
from engine.data.transforms import AUGMENTATIONS, Augmentation
from engine.normalization import Normalize


def coordinates(height: int, width: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Image and mask in which every pixel contains its own position."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    return tv_tensors.Image(torch.stack([rows, columns, rows])), tv_tensors.Mask(rows.clone())


def scaled_crop(size: int, scale: tuple[float, float]) -> Augmentation:
    return Augmentation(size, 255, ScaledRegions(size, scale))


def test_a_crop_at_its_own_scale_is_cut_out_unchanged() -> None:
    image, mask = coordinates(50, 80)
    cut, cut_mask = scaled_crop(32, (1.0, 1.0))(image, mask)
    top, left = int(cut[0, 0, 0]), int(cut[1, 0, 0])
    assert torch.equal(cut, image[:, top : top + 32, left : left + 32])
    assert torch.equal(cut_mask, mask[top : top + 32, left : left + 32])


def test_image_and_mask_stay_aligned_at_any_scale() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        cut, cut_mask = scaled_crop(64, (0.5, 2.0))(*coordinates(200, 240))
        inside = cut_mask != 255
        difference = (cut[0].int() - cut_mask.int()).abs()[inside]
        assert difference.max() <= 2


def test_the_area_outside_the_image_is_void() -> None:
    image, mask = coordinates(40, 40)
    cut, cut_mask = scaled_crop(80, (1.0, 1.0))(image, mask)
    assert (cut_mask == 255).sum() == 80 * 80 - 40 * 40
    assert torch.equal(cut_mask[20:60, 20:60], mask)
    assert torch.equal(cut[:, 20:60, 20:60], image)


def test_masks_have_no_colours() -> None:
    _, mask = coordinates(40, 40)
    gaudy = Augmentation(40, 255, ScaledRegions(40, (1.0, 1.0)), color_jitter=ColorJitter(0.5, 0.5, 0.5, 0.1))
    assert torch.equal(gaudy(*coordinates(40, 40))[1], mask)


def test_normalize() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    normalized = Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))(image)
    assert normalized[0, 0, 0].tolist() == [-2, 2]


def test_without_augmentation_there_are_crops_only() -> None:
    image, mask = coordinates(40, 60)
    cut, cut_mask = AUGMENTATIONS["none"](50, 255)(image, mask)
    assert cut.shape[-2:] == cut_mask.shape == (50, 50)
    inside = cut_mask != 255
    assert torch.equal(cut[0][inside], cut_mask[inside])
    assert 0 < inside.sum() <= 40 * 50
