import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.benchmark import Sample
from engine.data.cache import Cache
from engine.data.dataset import FileReader, SegmentationDataset
from engine.data.transforms import default_augmentation
from engine.errors import InputError
from engine.files.images import read_ids, write_png


def read_mask(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return read_ids(path).astype(np.uint8)


READER = FileReader(read_mask)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    random = np.random.default_rng(0)
    made = []
    for number in range(3):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_trainId.png"
        write_png(image, random.integers(0, 256, (40, 60 + number, 3), np.uint8))
        write_png(mask, random.integers(0, 19, (40, 60 + number), np.uint8))
        made.append(Sample(str(number), image, mask))
    return made


@pytest.mark.parametrize("workers", [1, 2])
def test_cached_samples_are_the_files(samples: list[Sample], tmp_path: Path, workers: int) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, workers)
    for sample in samples:
        for cached, read in zip(cache(sample), READER(sample), strict=True):
            assert np.array_equal(cached, read)
    written = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert written - cache.size(samples) == 3 * 128  # headers


def test_training_sees_the_same_with_and_without(samples: list[Sample], tmp_path: Path) -> None:
    augment = default_augmentation(32, 255)
    plain = SegmentationDataset(samples, READER, augment)
    cached = SegmentationDataset(samples, Cache(tmp_path / "cache", READER), augment)
    for number in range(3):
        for left, right in zip(plain[number, 7], cached[number, 7], strict=True):
            assert torch.equal(left, right)


def test_a_changed_file_is_decoded_again(samples: list[Sample], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, 1)
    mask = samples[0].mask
    assert mask is not None
    write_png(mask, np.full((40, 60), 7, np.uint8))
    os.utime(mask, ns=(1, 1))
    assert (cache(samples[0])[1] == 7).all()


def test_drawing_a_sample_leaves_the_cache_as_it_is(samples: list[Sample], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, 1)
    before = cache.path(samples[0]).read_bytes()
    image, _ = SegmentationDataset(samples, cache)[0]
    image.zero_()
    assert cache.path(samples[0]).read_bytes() == before


def test_every_damaged_file_is_listed_and_the_others_cached(samples: list[Sample], tmp_path: Path) -> None:
    for sample in samples[:2]:
        sample.image.write_bytes(sample.image.read_bytes()[:-200])
    cache = Cache(tmp_path / "cache", READER)
    with pytest.raises(InputError) as caught:
        cache.fill(samples, 1)
    assert len(caught.value.messages) == 2
    assert cache.path(samples[2]).is_file()


def test_too_little_room_is_said_before_any_work(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"the cache needs 0\.0 GB for 3 images"):
        Cache(tmp_path / "cache", READER).fill(samples, 1)
