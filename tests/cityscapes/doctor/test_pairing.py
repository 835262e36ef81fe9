import shutil
from pathlib import Path

import numpy as np
import pytest

from cityscapes.doctor import pairing
from cityscapes.doctor.inventory import Inventory
from cityscapes.layout import Scene
from tests.cityscapes.drawn_root import FIRST, LABEL_IDS, SCENES, RunDoctor, coarse, save


@pytest.mark.parametrize(
    ("kind", "noun"), [("labelIds", "labelIds mask"), ("instanceIds", "instanceIds mask"), ("polygons", "polygons")]
)
def test_annotation_on_one_side_only(kind: str, noun: str, root: Path, run_doctor: RunDoctor) -> None:
    path = FIRST.polygons(root) if kind == "polygons" else FIRST.official_mask(root, kind)
    path.unlink()
    (line,) = run_doctor(2).faults
    assert line.startswith(f"unpaired: train: got no {noun} for 1 of 2 scenes: ")
    assert line.endswith(
        f"({FIRST.stem}); unpack gtFine_trainvaltest.zip again, or delete the other files of these scenes"
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_image_missing(split: str, root: Path, run_doctor: RunDoctor) -> None:
    scene = next(scene for scene in SCENES if scene.split == split)
    scene.image(root).unlink()
    (line,) = run_doctor(2).faults
    assert line.startswith(f"unpaired: {split}: got no image for 1 of 2 scenes: such scenes can be used neither for")
    assert f"({scene.stem}); unpack leftImg8bit_trainvaltest.zip again" in line


def test_test_split_needs_no_annotation(root: Path, run_doctor: RunDoctor) -> None:
    SCENES[-1].polygons(root).unlink()
    assert any(line.startswith("unpaired: test: got no polygons for 1 of 2 scenes") for line in run_doctor(0).notes)
    shutil.rmtree(root / "gtFine/test")
    assert not any("unpaired" in line for line in run_doctor(0).notes)


def test_images_without_any_annotation(root: Path, run_doctor: RunDoctor) -> None:
    shutil.rmtree(root / "generated_gt/train")
    shutil.rmtree(root / "gtFine/train")
    (root / "gtFine/train").mkdir()
    empty, unpaired = run_doctor(2).faults
    assert empty.startswith("empty split: got 1 empty folder, expected one folder for each city in it (gtFine/train)")
    assert unpaired.startswith("unpaired: train: got 2 images without any annotation")
    assert unpaired.endswith("unpack gtFine_trainvaltest.zip as well")


def test_a_scene_in_two_splits_and_a_city_in_another(root: Path, run_doctor: RunDoctor) -> None:
    shutil.copytree(root / "leftImg8bit/train/aachen", root / "leftImg8bit/val/aachen")
    shutil.copytree(root / "gtFine/train/aachen", root / "gtFine/val/aachen")
    output = run_doctor(2)
    assert [line for line in output.faults if line.startswith("twice")] == [
        "twice: got 2 scenes in more than one split, so scores would include training images "
        "(aachen_000000_000000: train and val, aachen_000000_000001: train and val); keep each in one split"
    ]
    assert any(line.startswith("other split: got 1 folder of a city that the official set") for line in output.notes)


def test_half_generated_masks(root: Path, run_doctor: RunDoctor) -> None:
    FIRST.generated_mask(root, "trainId").unlink()
    (line,) = run_doctor(2).faults
    assert line == (
        f"half generated: train: got no generated trainId mask for 1 annotated scene ({FIRST.stem}); "
        "run generate_gt.py again"
    )


def test_no_generated_masks_are_a_note(root: Path, run_doctor: RunDoctor) -> None:
    for path in root.glob("generated_gt/*/*/*.png"):
        path.unlink()
    assert any(
        line.startswith("not generated: got no generated_gt/ masks for 4 annotated scenes")
        for line in run_doctor(0).notes
    )


def test_left_over_masks(root: Path, run_doctor: RunDoctor) -> None:
    save(Scene("val", "lindau", "lindau_000009_000019").generated_mask(root, "labelId"), LABEL_IDS)
    (line,) = run_doctor(2).faults
    assert line.startswith("left over: val: got generated_gt/ masks of 1 scene with neither image nor annotation")


def test_coarse_annotations_are_known(root: Path, run_doctor: RunDoctor) -> None:
    coarse(root, "train", FIRST.stem)
    coarse(root, "train_extra", "augsburg_000000_000000")
    output = run_doctor(0)
    assert output.table[0].split() == ["leftImg8bit", "gtFine", "gtCoarse", "generated_gt"]
    assert output.table[-2].split()[:3] == ["train_extra", "augsburg", "1"]
    assert output.table[-1].split()[-1] == "19998"


def test_half_of_the_coarse_set(root: Path, run_doctor: RunDoctor) -> None:
    coarse(root, "train_extra", "augsburg_000000_000000")
    coarse(root, "train_extra", "augsburg_000000_000001", image=False)
    save(
        Scene("train_extra", "konigswinter", "konigswinter_000000_000000").image(root), np.zeros((16, 32, 3), np.uint8)
    )
    faults = run_doctor(2).faults
    assert faults == [
        "unpaired: train_extra: got no image for 1 of 2 coarsely annotated scenes (augsburg_000000_000001); "
        "unpack leftImg8bit_trainextra.zip",
        "unpaired: train_extra: got no coarse annotation for 1 of 3 scenes (konigswinter_000000_000000); "
        "unpack gtCoarse.zip",
    ]


def test_coarse_annotations_alone_are_a_note(root: Path, run_doctor: RunDoctor) -> None:
    coarse(root, "train", "bochum_000000_000001", image=False)
    assert any(line.startswith("unpaired: train: got no image for 1 of 1 coarsely") for line in run_doctor(0).notes)


@pytest.mark.parametrize(
    ("got", "half"),
    [
        ({"frankfurt": 267, "lindau": 20}, True),
        ({"frankfurt": 267, "lindau": 59, "munster": 1}, True),
        ({"frankfurt": 267, "lindau": 59, "munster": 174}, False),
        ({"frankfurt": 267, "lindau": 59}, False),
        ({"frankfurt": 5}, False),
        ({"frankfurt": 267, "munster": 3}, False),
    ],
)
@pytest.mark.parametrize(
    ("kind", "archive"), [("image", "leftImg8bit_trainvaltest.zip"), ("polygons", "gtFine_trainvaltest.zip")]
)
def test_half_unpacked_archives_are_recognised(got: dict[str, int], half: bool, kind: str, archive: str) -> None:
    found = Inventory([], {("val", city, kind): number for city, number in got.items()}, [])
    faults = [str(finding) for finding in pairing.numbers(found) if finding.severity == "fault"]
    if half:
        (line,) = faults
        assert line.startswith("half unpacked: val: got ")
        assert "all of the cities before it and none of those after it, as if unpacking had stopped there" in line
        assert f"; unpack {archive} again" in line
    else:
        assert faults == []
