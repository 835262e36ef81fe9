"""Load crops of Cityscapes for training, and print the time in seconds.

Usage: `python -m bench.contenders.loader CONTENDER ROOT CROPS [CACHE]`.

CONTENDER is `original`, or `ours` for the loader of `train_fcn.py --augmentation original`. ROOT is a Cityscapes root;
its scenes are repeated until there are CROPS samples. They are loaded twice, and the second pass is timed.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Sample
from engine.data.cache import Cache
from engine.data.dataset import FileReader, GuardedDataset, Reader, SegmentationDataset, collate
from engine.data.sampler import EpochSampler
from engine.data.transforms import AUGMENTATIONS
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD

CROP, BATCH, WORKERS = 1024, 8, 2
VOID, ORIGINAL_VOID = 255, 19


class OriginalDataset(Dataset[Any]):
    """Samples as the original FCN8s repository loads them: Pillow, then torchvision's transforms on the whole image."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        crop = v2.RandomCrop(CROP, pad_if_needed=True)
        resized = v2.RandomResizedCrop(CROP, antialias=True)
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomChoice([crop, resized], p=[0.7, 0.3]),
                v2.RandomHorizontalFlip(),
                v2.RandomPhotometricDistort(),
                v2.GaussianBlur(kernel_size=5, sigma=(0.1, 2.0)),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A (3, H, W) float32 image and a (H, W) int64 mask of 20 classes."""
        sample = self.samples[number]
        assert sample.mask is not None
        ids = np.array(Image.open(sample.mask))
        ids[ids == VOID] = ORIGINAL_VOID
        image, mask = self.transform(Image.open(sample.image).convert("RGB"), tv_tensors.Mask(ids))
        return image, mask.long()


def original(samples: Sequence[Sample]) -> DataLoader[Any]:
    """Loader of the original FCN8s repository; its worker processes are restarted in each epoch."""
    return DataLoader(OriginalDataset(samples), BATCH, shuffle=True, num_workers=WORKERS, drop_last=True)


def ours(samples: Sequence[Sample], cache: Path | None) -> DataLoader[Any]:
    """Our loader, as in `engine.training.trainer`."""
    reader: Reader = FileReader(CityscapesBenchmark().train_ids)
    augment = AUGMENTATIONS["original"](CROP, VOID)
    return DataLoader(
        GuardedDataset(SegmentationDataset(samples, reader if cache is None else Cache(cache, reader), augment)),
        batch_sampler=EpochSampler(len(samples), BATCH, seed=0),
        collate_fn=collate,
        num_workers=WORKERS,
        persistent_workers=True,
    )


def main(argv: Sequence[str]) -> None:
    """Load all crops twice and print the seconds of the second pass."""
    contender, root, crops, *cache = argv
    benchmark = CityscapesBenchmark()
    scenes = [sample for split in ("train", "val") for sample in benchmark.samples(Path(root), split)]
    samples = [scenes[number % len(scenes)] for number in range(int(crops))]
    loader = original(samples) if contender == "original" else ours(samples, Path(cache[0]) if cache else None)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        loaded = sum(len(images) for images, _ in loader)
        seconds = time.perf_counter() - began
        if loaded != len(samples):
            raise SystemExit(f"got {loaded} crops, expected {len(samples)}")
    print(seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
