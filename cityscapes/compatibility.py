"""The data set and transforms of the original repository, yoR-rihsihS/fcn (https://github.com/yoR-rihsihS/fcn).

Arguments and results are those of the original, so that scripts written for it keep working.
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
    """The data set, under the name and with the arguments of the original repository.

    Args:
        root_dir: the Cityscapes folder.
        split: train or val.
        transform: of an image and its mask, both uint8 tensors.
    """

    def __init__(self, root_dir: str | Path, split: str, transform: Transform | None = None) -> None:
        benchmark = CityscapesBenchmark()
        super().__init__(benchmark.samples(Path(root_dir), split), FileReader(benchmark.train_ids), transform)


def get_transforms(
    train_crop_size: Sequence[int], mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The original repository's transforms for training, and for validation and test.

    Args:
        train_crop_size: side of the crops, or height and width, which must be equal.
        mean: of the channels, 0 to 1.
        std: likewise.

    Returns:
        Two transforms of an image, or of an image and its mask; images become float32 and normalised.
    """
    side = max(train_crop_size)
    if side != min(train_crop_size):
        raise InputError(f"get_transforms: got crops of {tuple(train_crop_size)}, expected a square")
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    return v2.Compose([v2.ToImage(), original_augmentation(side, CLASSES.void), *finish]), v2.Compose(finish)
