import os
from collections.abc import Callable
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
    assert written - cache.size(samples) == 3 * (128 + 4)  # headers and checksums


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


def test_too_little_space_is_reported_before_any_work(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"the cache needs 0\.0 GB for 3 images"):
        Cache(tmp_path / "cache", READER).fill(samples, 1)


def _cut(content: bytes) -> bytes:
    return content[:-1000]


def _zeros(content: bytes) -> bytes:
    return bytes(len(content))


def _flipped(content: bytes) -> bytes:
    return content[:500] + bytes([content[500] ^ 4]) + content[501:]


def _other_type(content: bytes) -> bytes:
    return content.replace(b"'|u1'", b"'|i1'")


@pytest.mark.parametrize(
    "damage", [_cut, _zeros, _flipped, _other_type, lambda _: b"", lambda _: b"junk", lambda _: bytes(3)]
)
def test_a_damaged_file_is_decoded_again(
    samples: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, 1)
    path = cache.path(samples[1])
    content = path.read_bytes()
    path.write_bytes(damage(content))
    capsys.readouterr()
    cache.fill(samples, 1)
    assert path.read_bytes() == content
    assert capsys.readouterr().err == (
        f"note: {path}: damaged; 1 of 3 files in the cache are damaged; their samples are decoded again\n"
    )
    cache.fill(samples, 1)
    assert capsys.readouterr().err == ""


def test_an_intact_file_of_another_sample_is_not_used(samples: list[Sample], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, 1)
    cache.path(samples[1]).write_bytes(cache.path(samples[0]).read_bytes())
    cache.fill(samples, 1)
    assert np.array_equal(cache(samples[1])[0], READER(samples[1])[0])


@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY", b"PK\x03\x04", "cut"])
def test_a_file_damaged_while_in_use(samples: list[Sample], tmp_path: Path, content: bytes | str) -> None:
    cache = Cache(tmp_path / "cache", READER)
    cache.fill(samples, 1)
    path = cache.path(samples[0])
    path.write_bytes(path.read_bytes()[:1000] if isinstance(content, str) else content)
    with pytest.raises(InputError, match=f"{path}: damaged file of the cache .*; delete it"):
        cache(samples[0])
    np.save(path, np.zeros((4, 7), np.float32))
    with pytest.raises(InputError, match="got float32 of"):
        cache(samples[0])
