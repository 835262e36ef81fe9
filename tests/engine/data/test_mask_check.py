from pathlib import Path

import numpy as np
import pytest

from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Sample
from engine.data.mask_check import require_classes
from engine.errors import InputError
from engine.files.images import write_png

BENCHMARK = CityscapesBenchmark()


def split(folder: Path, *ids: int) -> list[Sample]:
    """Samples whose masks have one id each."""
    samples = []
    for number, value in enumerate(ids):
        write_png(folder / f"{number}.png", np.full((2, 3), value, np.uint8))
        samples.append(Sample(str(number), folder / "absent.png", folder / f"{number}.png"))
    return samples


def test_one_pixel_of_a_class_will_do(tmp_path: Path) -> None:
    require_classes(BENCHMARK, split(tmp_path / "t", 255, 7, 90), split(tmp_path / "v", 255, 0), workers=2)


def test_every_wrong_validation_mask_is_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        require_classes(BENCHMARK, split(tmp_path / "t", 0), split(tmp_path / "v", 19, 0, 254), workers=2)
    names = [message.partition(" on 6 pixels")[0] for message in caught.value.messages]
    assert names == [f"{tmp_path / 'v' / '0.png'}: id 19", f"{tmp_path / 'v' / '2.png'}: id 254"]


@pytest.mark.parametrize(("trained", "validated", "flag"), [(255, 0, "--train_split"), (0, 255, "--val_split")])
def test_masks_of_void_alone(tmp_path: Path, trained: int, validated: int, flag: str) -> None:
    with pytest.raises(InputError, match="are void, expected at least one pixel of a class") as caught:
        require_classes(BENCHMARK, split(tmp_path / "t", *[trained] * 2), split(tmp_path / "v", validated), workers=1)
    assert flag in str(caught.value)
