"""Samples with drawn and official masks."""

from pathlib import Path

import numpy as np
import pytest

from cityscapes.labels import LABEL_ID_OF
from cityscapes.layout import scenes_with_image
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from report.pictures.samples import read_truth, samples_of
from tests.report.pictures.drawn import CITYSCAPES


def test_drawn_masks_come_first(demo_root: Path) -> None:
    assert samples_of(CITYSCAPES, demo_root, "val") == CITYSCAPES.samples(demo_root, "val")


def test_official_masks_give_the_same_train_ids(changed_root: Path) -> None:
    drawn = CITYSCAPES.samples(changed_root, "val")[0].mask
    assert drawn is not None
    truth = read_ids(drawn)
    scene = scenes_with_image(changed_root, "val")[0]
    official = scene.official_mask(changed_root, "labelIds")
    write_png(official, LABEL_ID_OF[truth])
    drawn.unlink()
    first = samples_of(CITYSCAPES, changed_root, "val")[0]
    assert first.mask == official
    assert np.array_equal(read_truth(CITYSCAPES, official), np.where(truth == 255, 255, truth))


def test_a_scene_without_any_mask_stays(changed_root: Path) -> None:
    sample = CITYSCAPES.samples(changed_root, "val")[1]
    assert sample.mask is not None
    sample.mask.unlink()
    official = scenes_with_image(changed_root, "val")[1].official_mask(changed_root, "labelIds")
    official.unlink(missing_ok=True)
    assert [one.mask is None for one in samples_of(CITYSCAPES, changed_root, "val")] == [False, True, False]


def test_foreign_label_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_000000_000000_gtFine_labelIds.png"
    write_png(path, np.full((4, 4), 77, np.uint8))
    with pytest.raises(InputError, match="label id 77, expected 0 to 33"):
        read_truth(CITYSCAPES, path)


def test_a_split_without_images_is_refused(demo_root: Path) -> None:
    with pytest.raises(InputError, match="no image of the coarse_train_extra split"):
        samples_of(CITYSCAPES, demo_root, "coarse_train_extra")
