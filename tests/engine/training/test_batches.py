"""Batches from files and from samples on the device are the same."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Sample
from engine.data import class_index
from engine.data.dataset import FileReader
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.resident import ResidentData
from engine.data.sampler import EpochSampler
from engine.training.batches import BatchSource, FileBatches, RemainingEpochs, ResidentBatches

VOID, SIZE = 255, 48


def from_files(samples: list[Sample], sampler: EpochSampler, name: str) -> BatchSource:
    reader = FileReader(CityscapesBenchmark().read_mask)
    return FileBatches(samples, reader, sampler, name, crop_size=SIZE, void=VOID, workers=0, pinned=False)


def on_device(samples: list[Sample], sampler: EpochSampler, name: str) -> BatchSource:
    reader = FileReader(CityscapesBenchmark().read_mask)
    data = ResidentData.fill(samples, reader, torch.device("cpu"), void=VOID, workers=1)
    return ResidentBatches(samples, data, sampler, DeviceAugmentation(name, SIZE, VOID), workers=0)


@pytest.mark.parametrize("name", ["default", "original", "none"])
@pytest.mark.parametrize("class_uniform", [0.0, 1.0])
def test_both_give_the_same_crops_in_the_same_order(
    demo_root: Path, tmp_path: Path, name: str, class_uniform: float
) -> None:
    benchmark = CityscapesBenchmark()
    samples = benchmark.samples(demo_root, "train")
    index = class_index.build(samples, benchmark.read_mask, len(benchmark.classes), tmp_path / "index.npz", workers=1)
    batches: list[Any] = []
    for build in (from_files, on_device):
        sampler = EpochSampler(len(samples), 2, 7, index=index, class_uniform=class_uniform)
        sampler.epoch, sampler.start = 1, 1
        source = build(samples, sampler, name)
        batches.append([source.prepare(*parts) for parts in source.stream(epochs=2)])
    steps = len(EpochSampler(len(samples), 2, 7))
    assert len(batches[0]) == len(batches[1]) == 2 * steps - 1
    for (images, masks), (resident_images, resident_masks) in zip(*batches, strict=True):
        assert torch.equal(masks, resident_masks)
        difference = (images.int() - resident_images.int()).abs()
        assert difference.max() <= 2
        assert (difference > 0).float().mean() < 0.01


def test_one_stream_covers_all_remaining_epochs() -> None:
    sampler = EpochSampler(4, 2, 0)
    sampler.epoch, sampler.start = 2, 1
    stream = list(RemainingEpochs(sampler, 3))
    expected = []
    for epoch, start in ((2, 1), (3, 0)):
        sampler.epoch, sampler.start = epoch, start
        expected += list(sampler)
    assert stream == expected
