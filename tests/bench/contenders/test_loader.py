from pathlib import Path

import torch

from bench.contenders.loader import OriginalDataset, ours
from cityscapes.dataset import CityscapesBenchmark


def test_both_loaders_give_crops_of_the_same_size(demo_root: Path) -> None:
    samples = CityscapesBenchmark().samples(demo_root, "val")[:1]
    image, mask = OriginalDataset(samples)[0]
    assert (image.shape, image.dtype) == ((3, 1024, 1024), torch.float32)
    assert (mask.shape, mask.dtype) == ((1024, 1024), torch.int64)
    assert mask.max() <= 19
    our_image, our_mask = ours(samples, None).dataset[0, 1]
    assert (our_image.shape, our_image.dtype) == ((3, 1024, 1024), torch.uint8)
    assert (our_mask.shape, our_mask.dtype) == ((1024, 1024), torch.uint8)
