from pathlib import Path

import numpy as np
import pytest
import torch

from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Sample, require_equal_sizes
from engine.data.dataset import FileReader, SegmentationDataset
from engine.data.sampler import EpochSampler, SampleRequest, derive
from engine.data.transforms import AUGMENTATIONS
from engine.errors import InputError
from engine.files.images import write_png

BENCHMARK = CityscapesBenchmark()
READER = FileReader(BENCHMARK.read_mask)


def sampler(epoch: int, **options: int) -> list[list[SampleRequest]]:
    settings = {"length": 7, "batch_size": 2, "seed": 3} | options
    one = EpochSampler(**settings)  # type: ignore[arg-type]  # all of these are numbers
    one.epoch = epoch
    return list(one)


def test_every_sample_comes_in_every_epoch_and_batches_are_full() -> None:
    batches = sampler(1)
    assert [len(batch) for batch in batches] == [2, 2, 2, 2]
    assert {request.sample for batch in batches for request in batch} == set(range(7))


def test_order_and_seeds_follow_from_seed_and_epoch_alone() -> None:
    assert sampler(1) == sampler(1)
    assert sampler(1) != sampler(2)
    assert sampler(1) != sampler(1, seed=4)
    seeds = [draw.seed for epoch in (1, 2) for batch in sampler(epoch) for draw in batch]
    assert len(set(seeds)) == len(seeds)


def test_processes_share_the_samples_of_one() -> None:
    whole = sampler(1, batch_size=4)
    parts = [sampler(1, batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    for batch, left, right in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted(left + right)


def test_derived_seeds_do_not_collide() -> None:
    seeds = {derive(a, b) for a in range(100) for b in range(100)}
    assert len(seeds) == 10_000
    assert derive(1, 2) != derive(2, 1)
    assert all(0 <= seed < 1 << 63 for seed in seeds)


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    image, mask = tmp_path / "a.png", tmp_path / "a_trainId.png"
    random = np.random.default_rng(0)
    write_png(image, random.integers(0, 256, (40, 60, 3), np.uint8))
    write_png(mask, random.integers(0, 19, (40, 60), np.uint8))
    return Sample("a", image, mask)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("size", [32, 50, 128])
def test_augmented_samples_follow_from_their_seed(sample: Sample, augmentation: str, size: int) -> None:
    dataset = SegmentationDataset([sample], READER, AUGMENTATIONS[augmentation](size, 255))
    state = torch.random.get_rng_state()
    image, mask = dataset[0, 5]
    again, _ = dataset[0, 5]
    other, _ = dataset[0, 6]
    assert image.shape == (3, size, size)
    assert mask.shape == (size, size)
    assert image.dtype == mask.dtype == torch.uint8
    assert torch.equal(image, again)
    assert not torch.equal(image, other)
    assert set(mask.flatten().tolist()) <= {*range(19), 255}
    assert torch.equal(torch.random.get_rng_state(), state), "drawing a sample leaves the process's own state alone"


def test_seeding_a_sample_does_not_seed_devices(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.manual_seed` records the seed for all GPUs, which takes up to a millisecond per sample."""
    dataset = SegmentationDataset([sample], READER, AUGMENTATIONS["default"](32, 255))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected, *_ = AUGMENTATIONS["default"](32, 255)(*SegmentationDataset([sample], READER)[0])
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("a GPU was seeded"))
    image, _ = dataset[0, 5]
    assert torch.equal(image, expected)


def test_without_a_transform_a_sample_is_its_files(sample: Sample) -> None:
    image, mask = SegmentationDataset([sample], READER)[0]
    assert image.shape == (3, 40, 60)
    assert mask.shape == (40, 60)


def test_every_pair_of_different_sizes_is_named(sample: Sample, tmp_path: Path) -> None:
    assert sample.mask is not None
    write_png(sample.mask, np.zeros((20, 30), np.uint8))
    (tmp_path / "b.png").write_bytes(b"no image")
    broken = Sample("b", sample.image, tmp_path / "b.png")
    with pytest.raises(InputError) as caught:
        require_equal_sizes(BENCHMARK, [sample, broken, sample])
    assert len(caught.value.messages) == 3
    assert f"{sample.mask}: the mask is 30 x 20, its image 60 x 40" in caught.value.messages[0]


def test_a_sample_without_mask_cannot_be_trained_on(sample: Sample) -> None:
    with pytest.raises(InputError, match="no masks"):
        SegmentationDataset([Sample("a", sample.image, None)], READER)[0]
