"""Code that every benchmark inherits: masks are always checked."""

from pathlib import Path

import numpy as np
import pytest

from cityscapes.dataset import CityscapesBenchmark
from engine.arrays import IdArray
from engine.errors import InputError
from engine.files.images import write_png


class OfOnesOwn(CityscapesBenchmark):
    """A benchmark with its own reader of masks, which checks nothing."""

    def read_mask(self, path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        return np.full((2, 3), int(path.name), np.uint8)


@pytest.mark.parametrize("void", [18, 255])
def test_classes_and_void_are_read(tmp_path: Path, void: int) -> None:
    ids = np.array([[0, 1, void]], np.uint8)
    write_png(tmp_path / "m.png", ids)
    for read in (CityscapesBenchmark().read_mask, CityscapesBenchmark().train_ids):
        assert np.array_equal(read(tmp_path / "m.png"), ids)


@pytest.mark.parametrize(
    ("ids", "named", "pixels"),
    [
        (np.array([[19, 0, 255]], np.uint8), "id 19", 1),
        (np.array([[254, 19, 19]], np.uint8), "id 19, 254", 3),
        (np.array([[256, 274, 0]], np.uint16), "id 256, 274", 2),  # 0 and 18 in their last 8 bits
        (np.arange(19, 40, dtype=np.uint8)[None], "id 19, 20, 21, 22, 23, 24, 25, 26, ...", 21),
    ],
)
def test_an_id_that_is_not_a_class_is_reported_with_its_file(
    tmp_path: Path, ids: IdArray, named: str, pixels: int
) -> None:
    path = tmp_path / "m.png"
    write_png(path, ids)
    with pytest.raises(InputError) as caught:
        CityscapesBenchmark().read_mask(path)
    assert str(caught.value).startswith(f"{path}: {named} on {pixels} pixels, expected 0 to 18 or 255; draw or convert")


def test_a_benchmark_that_reads_masks_itself_is_checked_too() -> None:
    assert OfOnesOwn().train_ids(Path("18")).tolist() == [[18] * 3] * 2
    with pytest.raises(InputError, match="id 19 on 6 pixels"):
        OfOnesOwn().train_ids(Path("19"))
