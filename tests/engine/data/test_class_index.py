from pathlib import Path

import numpy as np
import pytest
import torch

from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Sample
from engine.data import class_index
from engine.data.class_index import ClassIndex, inverse_log, median_frequency
from engine.data.dataset import FileReader, SegmentationDataset
from engine.data.sampler import EpochSampler
from engine.data.transforms import AUGMENTATIONS
from engine.errors import InputError
from engine.files.images import write_png

SIDE = 64
read_mask = CityscapesBenchmark().read_mask


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Twenty scenes of class 0 with a void edge; the first also has 64 pixels of class 2, in a corner."""
    made = []
    for number in range(20):
        mask = np.zeros((SIDE, 2 * SIDE), np.uint8)
        mask[:3] = 255
        if number == 0:
            mask[-8:, -8:] = 2
        sample = Sample(str(number), tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png")
        write_png(sample.image, np.zeros((SIDE, 2 * SIDE, 3), np.uint8))
        write_png(tmp_path / f"{number}_mask.png", mask)
        made.append(sample)
    return made


def build(samples: list[Sample], tmp_path: Path, workers: int = 1) -> ClassIndex:
    return class_index.build(samples, read_mask, 4, tmp_path / "class_index.npz", workers=workers)


def test_every_kept_pixel_is_of_its_class(samples: list[Sample], tmp_path: Path) -> None:
    index = build(samples, tmp_path)
    assert index.pixel_counts[:, 0].tolist() == [61 * 2 * SIDE - 64, *[61 * 2 * SIDE] * 19]
    assert index.pixel_counts[:, 2].tolist() == [64, *[0] * 19]
    for seed in range(200):
        number, (row, column) = index.draw(seed * 7919)
        mask = samples[number].mask
        assert mask is not None
        assert read_mask(mask)[row, column] in (0, 2)
    assert len({tuple(pixel) for pixel in index.positions[0, 2].tolist()}) == 8


def test_the_index_is_kept_until_a_mask_changes(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(samples, tmp_path, workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(class_index, "_scan", None)
        again = build(samples, tmp_path)
    assert np.array_equal(first.positions, again.positions)
    mask = samples[3].mask
    assert mask is not None
    write_png(mask, np.full((SIDE, 2 * SIDE), 3, np.uint8))
    assert build(samples, tmp_path).pixel_counts[3, 3] == SIDE * 2 * SIDE
    (tmp_path / "class_index.npz").write_bytes(b"PK damaged")
    assert build(samples, tmp_path).pixel_counts[3, 3] == SIDE * 2 * SIDE


def test_every_bad_mask_is_reported(samples: list[Sample], tmp_path: Path) -> None:
    for sample in samples[:2]:
        assert sample.mask is not None
        sample.mask.write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        build(samples, tmp_path)
    assert len(caught.value.messages) == 2


def test_masks_without_any_class(tmp_path: Path) -> None:
    write_png(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    with pytest.raises(InputError, match="has a pixel of any class"):
        build([Sample("a", tmp_path / "a.png", tmp_path / "mask.png")], tmp_path)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_a_rare_class_is_in_the_requested_share_of_crops(
    samples: list[Sample], tmp_path: Path, augmentation: str
) -> None:
    """Half of the crops contain a drawn class, half of these the rare one; 1 plain crop in 1700 contains it."""
    index = build(samples, tmp_path)
    dataset = SegmentationDataset(samples, FileReader(read_mask), AUGMENTATIONS[augmentation](16, 255))
    sampler = EpochSampler(200, 1, 5, index=index, class_uniform=0.5)
    sampler.length = 20
    requests = [sampler.batch(step)[0] for step in range(200)]
    masks = [dataset[draw][1] for draw in requests]
    assert {request.sample for request in requests} == set(range(20))
    aimed = [(request, mask) for request, mask in zip(requests, masks, strict=True) if request.pixel is not None]
    assert len(aimed) == pytest.approx(100, abs=25)
    for request, mask in aimed:
        truth = read_mask(samples[request.sample].mask)[request.pixel]  # type: ignore[arg-type]
        # A few pixels may get lost where a crop is made smaller.
        assert (mask == int(truth)).any() or augmentation != "none"
    assert sum(bool((mask == 2).any()) for mask in masks) == pytest.approx(50, abs=20)


def test_every_flipped_bit_is_found(samples: list[Sample], tmp_path: Path) -> None:
    """NumPy and zipfile raise errors of many kinds."""
    built = build(samples, tmp_path)
    file = tmp_path / "class_index.npz"
    content = file.read_bytes()
    key = class_index._key(samples, 4)
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        index = class_index._load(file, key)
        assert index is None or (
            np.array_equal(index.pixel_counts, built.pixel_counts) and np.array_equal(index.positions, built.positions)
        )


def test_without_class_uniform_sampling_requests_are_unchanged(samples: list[Sample], tmp_path: Path) -> None:
    plain = EpochSampler(20, 4, 3)
    assert list(EpochSampler(20, 4, 3, index=build(samples, tmp_path))) == list(plain)
    index = build(samples, tmp_path)
    parts = [EpochSampler(20, 2, 3, rank=rank, world_size=2, index=index, class_uniform=0.7) for rank in (0, 1)]
    whole = EpochSampler(20, 4, 3, index=index, class_uniform=0.7)
    assert list(whole) != list(plain)
    for batch, left, right in zip(whole, *parts, strict=True):
        assert sorted(batch, key=str) == sorted(left + right, key=str)


PIXELS = torch.tensor([[90.0, 10.0, 0.0, 0.0], [50.0, 0.0, 50.0, 0.0]], dtype=torch.float64)


def test_class_weights_by_their_formulas() -> None:
    shares = torch.tensor([0.7, 0.05, 0.25, 0.0], dtype=torch.float64)
    assert torch.allclose(inverse_log(PIXELS), 1 / torch.log(1.02 + shares))
    # Within the images that have them, the classes make up 0.7, 0.1 and 0.5.
    assert median_frequency(PIXELS).tolist() == pytest.approx([0.5 / 0.7, 0.5 / 0.1, 1.0, 1.0])
