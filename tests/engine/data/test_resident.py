import pickle
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.data.class_index import ClassIndex
from engine.data.dataset import FileReader, SegmentationDataset
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.resident import ParameterRows, ResidentData, bytes_needed, collate_rows, fits_on_device
from engine.data.sampler import EpochSampler, SampleRequest
from engine.data.transforms import AUGMENTATIONS
from engine.errors import InputError
from engine.files.images import read_ids, write_png

VOID = 255
CPU = torch.device("cpu")
SIZES = [(40, 60), (31, 60), (40, 23), (12, 17)]


def read_mask(path: Path) -> UInt8Array:
    return read_ids(path).astype(np.uint8)


READER = FileReader(read_mask)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    random = np.random.default_rng(0)
    made = []
    for number, size in enumerate(SIZES):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        write_png(image, random.integers(0, 256, (*size, 3), np.uint8))
        write_png(mask, random.integers(0, 19, size, np.uint8))
        made.append(Sample(str(number), image, mask))
    return made


def filled(samples: Sequence[Sample], workers: int = 2) -> ResidentData:
    return ResidentData.fill(samples, READER, CPU, void=VOID, workers=workers)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_sample_comes_back_in_its_own_size(samples: list[Sample], workers: int) -> None:
    data = filled(samples, workers)
    assert data.sizes == SIZES
    assert data.images.shape == (4, 3, 40, 60)
    plain = SegmentationDataset(samples, READER)
    for number, (height, width) in enumerate(SIZES):
        image, mask = data.item(number)
        assert image.shape == (1, 3, height, width)
        assert torch.equal(image[0], plain[number][0])
        assert torch.equal(mask[0], plain[number][1])
        assert (data.masks[number, height:] == VOID).all()
        assert (data.masks[number, :, width:] == VOID).all()
        assert not data.images[number, :, height:].any()
        assert not data.images[number, :, :, width:].any()


def test_bytes_needed_are_the_bytes_that_are_taken(samples: list[Sample]) -> None:
    data = filled(samples)
    assert bytes_needed(samples) == data.images.nbytes + data.masks.nbytes == 4 * 40 * 60 * 4
    assert bytes_needed([]) == 0


def test_every_damaged_file_is_named(samples: list[Sample]) -> None:
    for sample in samples[1:3]:
        sample.image.write_bytes(sample.image.read_bytes()[:-200])
    mask = samples[3].mask
    assert mask is not None
    write_png(mask, np.zeros((12, 18), np.uint8))
    with pytest.raises(InputError) as caught:
        filled(samples)
    assert len(caught.value.messages) == 3
    assert f"{mask}: 18 x 12 pixels, expected 17 x 12" in caught.value.messages[-1]
    for sample in samples[:2]:
        sample.image.write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        bytes_needed(samples)
    assert len(caught.value.messages) == 2


def test_the_host_holds_few_samples_at_a_time(tmp_path: Path) -> None:
    """tracemalloc sees the arrays of NumPy, but not the resident tensors of torch."""
    write_png(tmp_path / "a.png", np.zeros((500, 500, 3), np.uint8))
    samples = [Sample(str(number), tmp_path / "a.png", tmp_path / "a.png") for number in range(40)]

    def decoded(_: Sample) -> tuple[UInt8Array, UInt8Array]:
        return np.zeros((500, 500, 3), np.uint8), np.zeros((500, 500), np.uint8)

    tracemalloc.start()
    try:
        ResidentData.fill(samples, decoded, CPU, void=VOID, workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 10**6, "40 samples take 40 MB"


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("workers", [0, 2])
def test_training_sees_what_the_loader_on_the_cpu_gives(samples: list[Sample], name: str, workers: int) -> None:
    """The same sampler, class-uniform crops included; images that differ in size."""
    size = 32
    pixels = np.stack([np.bincount(read_mask(sample.mask).ravel(), minlength=19)[:19] for sample in samples])  # type: ignore[arg-type]
    positions = np.zeros((4, 19, 8, 2), np.uint16)
    sampler = EpochSampler(4, 3, 5, index=ClassIndex(pixels, positions), class_uniform=0.5)
    data, augmentation = filled(samples), DeviceAugmentation(name, size, VOID)
    loader = DataLoader(
        ParameterRows(data.sizes, augmentation), batch_sampler=sampler, collate_fn=collate_rows, num_workers=workers
    )
    plain = SegmentationDataset(samples, READER, AUGMENTATIONS[name](size, VOID))
    aimed = 0
    for epoch in (1, 2):
        sampler.epoch = epoch
        for requests, rows in zip(sampler, loader, strict=True):
            images, masks = augmentation(data.images, data.masks, rows)
            aimed += sum(request.pixel is not None for request in requests)
            for draw, image, mask in zip(requests, images, masks, strict=True):
                expected, expected_mask = plain[draw]
                assert torch.equal(mask, expected_mask)
                assert (image.int() - expected.int()).abs().max() <= 2
    assert aimed > 1


def test_rows_need_seeds(samples: list[Sample]) -> None:
    rows = ParameterRows(SIZES, DeviceAugmentation("none", 8, VOID))
    assert len(rows) == 4
    assert rows[SampleRequest(2, 7)][0] == 2
    with pytest.raises(ValueError, match="without a seed"):
        rows[SampleRequest(2)]


def test_parameter_rows_can_be_pickled_for_spawned_workers() -> None:
    rows = ParameterRows(SIZES, DeviceAugmentation("original", 8, VOID))
    again = pickle.loads(pickle.dumps(rows))
    assert np.array_equal(again[SampleRequest(1, 3)], rows[SampleRequest(1, 3)])


def test_samples_may_take_two_fifths_of_a_gpu(samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    needed = bytes_needed(samples)
    cuda = torch.device("cuda", 0)
    for total, fits in ((needed * 5 // 2, True), (needed * 5 // 2 - 10, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, total=total: (1, total))
        assert fits_on_device(samples, cuda) == fits
    assert not fits_on_device(samples, CPU)
