"""Crops from resident images equal those that data loaders make on a CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision import tv_tensors

from engine.data.device_augmentation import DeviceAugmentation
from engine.data.sampler import seeded
from engine.data.transforms import AUGMENTATIONS
from engine.errors import InputError
from engine.files.images import read_ids, read_image

VOID = 255
HEIGHT, WIDTH = 60, 90
Pixel = tuple[int, int]


def smooth_and_noisy(number: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A (3, H, W) image and a mask; each fourth image is pure noise, the worst case for resampling."""
    random = torch.Generator().manual_seed(number)
    coarse = torch.randint(-20, 276, (1, 3, height // 4 + 1, width // 4 + 1), generator=random).float()
    image = functional.interpolate(coarse, size=(height, width), mode="bilinear")[0]
    if number % 4 == 0:
        image = torch.randint(0, 256, image.shape, generator=random).float()
    mask = torch.randint(0, 19, (height, width), generator=random).to(torch.uint8)
    return image.clamp(0, 255).to(torch.uint8), mask


def on_cpu(
    name: str, size: int, image: torch.Tensor, mask: torch.Tensor, seed: int, pixel: Pixel | None
) -> list[torch.Tensor]:
    parts = [tv_tensors.Image(image), tv_tensors.Mask(mask)]
    if pixel is not None:
        parts.append(tv_tensors.KeyPoints([[pixel[1], pixel[0]]], canvas_size=mask.shape))
    with seeded(seed):
        return list(AUGMENTATIONS[name](size, VOID)(*parts)[:2])


def directly(augmentation: DeviceAugmentation, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return augmentation(*tensors)


def captured(augmentation: DeviceAugmentation, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the crops; on a GPU with a CUDA graph that was captured with other samples and parameters."""
    images, masks, rows = (tensor.cuda() for tensor in tensors)
    static = images.flip(0), masks.flip(0), rows.flip(0)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        augmentation(*static)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        crops, ids = augmentation(*static)
    for place, tensor in zip(static, (images, masks, rows), strict=True):
        place.copy_(tensor)
    graph.replay()
    return crops.cpu(), ids.cpu()


def compare(
    name: str,
    size: int,
    samples: list[tuple[torch.Tensor, torch.Tensor]],
    seeds: range,
    run: Callable[..., tuple[torch.Tensor, torch.Tensor]] = directly,
) -> None:
    """Make crops both ways from samples of any sizes; every third contains a given pixel."""
    height, width = (max(mask.shape[axis] for _, mask in samples) for axis in (0, 1))
    images = torch.zeros(len(samples), 3, height, width, dtype=torch.uint8)
    masks = torch.full((len(samples), height, width), VOID, dtype=torch.uint8)
    for number, (image, mask) in enumerate(samples):
        images[number, :, : mask.shape[0], : mask.shape[1]] = image
        masks[number, : mask.shape[0], : mask.shape[1]] = mask
    augmentation = DeviceAugmentation(name, size, VOID)
    rows, expected = [], []
    for seed in seeds:
        number = seed % len(samples)
        image, mask = samples[number]
        pixel = (mask.shape[0] // 3, mask.shape[1] - 1) if seed % 3 == 0 else None
        rows.append(augmentation.draw(number, mask.shape[0], mask.shape[1], seed, pixel))
        expected.append(on_cpu(name, size, image, mask, seed, pixel))
    crops, ids = run(augmentation, images, masks, torch.from_numpy(np.stack(rows)))
    wanted, wanted_ids = (torch.stack(parts) for parts in zip(*expected, strict=True))
    assert crops.dtype == ids.dtype == torch.uint8
    assert torch.equal(ids, wanted_ids)
    difference = (crops.int() - wanted.int()).abs()
    assert difference.max() <= 2
    assert (difference > 0).float().mean() <= 0.01


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [20, 45, 130])
def test_crops_are_those_of_the_cpu(name: str, size: int) -> None:
    """Crops smaller and larger than the images, at every scale, with pixels of class-uniform sampling."""
    compare(name, size, [smooth_and_noisy(number, HEIGHT, WIDTH) for number in range(8)], range(60))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_of_other_sizes_are_padded_without_a_trace(name: str) -> None:
    sizes = [(60, 90), (41, 90), (60, 33), (12, 17), (55, 89)]
    compare(name, 45, [smooth_and_noisy(number, *size) for number, size in enumerate(sizes)], range(100, 150))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_real_images_at_real_size(name: str, real_data: Path) -> None:
    scenes = sorted((real_data / "voc" / "VOCdevkit" / "VOC2012" / "SegmentationClass").glob("*.png"))[:6]
    samples = []
    for path in scenes:
        image = torch.from_numpy(read_image(path.parents[1] / "JPEGImages" / f"{path.stem}.jpg").copy()).permute(
            2, 0, 1
        )
        samples.append((image, torch.from_numpy(read_ids(path).astype(np.uint8))))
    compare(name, 320, samples, range(6))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_parameters_are_those_drawn_on_the_cpu(name: str) -> None:
    """For hundreds of seeds: an image of coordinates shows which crop it was, a grey image how its colours changed."""
    size = 32
    augmentation, reference = DeviceAugmentation(name, size, VOID), AUGMENTATIONS[name](size, VOID)
    for seed in range(300):
        pixel = (seed % 40, seed % 70) if seed % 2 else None
        row = augmentation.draw(3, 40, 70, seed, pixel)
        with seeded(seed):
            parameters = reference.draw(40, 70, pixel)
        assert row[:5].tolist() == [3, *parameters.region]
        assert row[7] == parameters.mirrored
        if parameters.colors is not None:
            assert np.array_equal(row[9:18], parameters.colors.matrix().flatten())
        assert row.shape == (augmentation.columns,)
        assert row.dtype == np.float32


def test_drawing_leaves_the_state_of_the_process_alone() -> None:
    state = torch.get_rng_state()
    first = DeviceAugmentation("default", 32, VOID).draw(0, 40, 70, 5)
    again = DeviceAugmentation("default", 32, VOID).draw(0, 40, 70, 5)
    assert np.array_equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_index_beyond_float32_is_refused() -> None:
    augmentation = DeviceAugmentation("none", 8, VOID)
    assert augmentation.draw(2**24, 9, 9, 0)[0] == 2**24
    with pytest.raises(InputError, match="at most 16777216 samples"):
        augmentation.draw(2**24 + 1, 9, 9, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["highest", "high"])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_gpu_makes_the_same_crops(name: str, precision: str) -> None:
    """With float32 products and with products in TF32."""
    samples = [smooth_and_noisy(number, 240, 320) for number in range(8)]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        compare(name, 160, samples, range(60), captured)
    finally:
        torch.set_float32_matmul_precision(before)
