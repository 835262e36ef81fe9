"""Compatibility with the original FCN8s repository: its data set and transforms.

Arguments and results are the same as there, so that scripts written for it keep working.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms import v2

from cityscapes.dataset import CityscapesBenchmark
from cityscapes.labels import CLASSES
from engine.data.dataset import FileReader, SegmentationDataset, Transform
from engine.data.transforms import original_augmentation
from engine.errors import InputError
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD


class CityScapes(SegmentationDataset):
    """Cityscapes data set with the name and arguments of the original FCN8s repository.

    Args:
        root_dir: the Cityscapes folder.
        split: train or val.
        transform: is called with an image and its mask, both uint8 tensors.
    """

    def __init__(self, root_dir: str | Path, split: str, transform: Transform | None = None) -> None:
        benchmark = CityscapesBenchmark()
        super().__init__(benchmark.samples(Path(root_dir), split), FileReader(benchmark.train_ids), transform)


def get_transforms(
    train_crop_size: Sequence[int], mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The transforms of the original FCN8s repository: one for training, one for validation and test.

    Args:
        train_crop_size: side of the crops, or height and width, which must be equal.
        mean: mean of the channels, 0 to 1.
        std: standard deviation of the channels, 0 to 1.

    Returns:
        Two transforms of an image, or of an image and its mask; images become float32 and normalised.
    """
    side = max(train_crop_size)
    if side != min(train_crop_size):
        raise InputError(f"get_transforms: got crops of {tuple(train_crop_size)}, expected a square")
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    return v2.Compose([v2.ToImage(), original_augmentation(side, CLASSES.void), *finish]), v2.Compose(finish)
