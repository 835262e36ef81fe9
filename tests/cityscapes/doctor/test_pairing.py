import shutil
from pathlib import Path

import numpy as np
import pytest

from cityscapes.doctor import pairing
from cityscapes.doctor.inventory import Inventory
from cityscapes.layout import Scene
from tests.cityscapes.drawn_root import FIRST, LABEL_IDS, SCENES, Listen, coarse, save


@pytest.mark.parametrize(
    ("kind", "noun"), [("labelIds", "labelIds mask"), ("instanceIds", "instanceIds mask"), ("polygons", "polygons")]
)
def test_annotation_on_one_side_only(kind: str, noun: str, root: Path, listen: Listen) -> None:
    path = FIRST.polygons(root) if kind == "polygons" else FIRST.official_mask(root, kind)
    path.unlink()
    (line,) = listen(2).faults
    assert line.startswith(f"unpaired: train: got no {noun} for 1 of 2 scenes: ")
    assert line.endswith(
        f"({FIRST.stem}); unpack gtFine_trainvaltest.zip again, or delete the other files of these scenes"
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_image_missing(split: str, root: Path, listen: Listen) -> None:
    scene = next(scene for scene in SCENES if scene.split == split)
    scene.image(root).unlink()
    (line,) = listen(2).faults
    assert line.startswith(f"unpaired: {split}: got no image for 1 of 2 scenes: such scenes can be neither trained on")
    assert f"({scene.stem}); unpack leftImg8bit_trainvaltest.zip again" in line


def test_test_split_needs_no_annotation(root: Path, listen: Listen) -> None:
    SCENES[-1].polygons(root).unlink()
    assert any(line.startswith("unpaired: test: got no polygons for 1 of 2 scenes") for line in listen(0).notes)
    shutil.rmtree(root / "gtFine/test")
    assert not any("unpaired" in line for line in listen(0).notes)


def test_images_without_any_annotation(root: Path, listen: Listen) -> None:
    shutil.rmtree(root / "generated_gt/train")
    shutil.rmtree(root / "gtFine/train")
    (root / "gtFine/train").mkdir()
    empty, unpaired = listen(2).faults
    assert empty.startswith("empty split: got 1 empty folder, expected one folder for each city in it (gtFine/train)")
    assert unpaired.startswith("unpaired: train: got 2 images without any annotation")
    assert unpaired.endswith("unpack gtFine_trainvaltest.zip as well")


def test_a_scene_in_two_splits_and_a_city_in_another(root: Path, listen: Listen) -> None:
    shutil.copytree(root / "leftImg8bit/train/aachen", root / "leftImg8bit/val/aachen")
    shutil.copytree(root / "gtFine/train/aachen", root / "gtFine/val/aachen")
    heard = listen(2)
    assert [line for line in heard.faults if line.startswith("twice")] == [
        "twice: got 2 scenes in more than one split: what is trained on would be scored "
        "(aachen_000000_000000: train and val, aachen_000000_000001: train and val); keep each in one split"
    ]
    assert any(line.startswith("other split: got 1 folder of a city that the official set") for line in heard.notes)


def test_half_generated_masks(root: Path, listen: Listen) -> None:
    FIRST.generated_mask(root, "trainId").unlink()
    (line,) = listen(2).faults
    assert line == (
        f"half generated: train: got no generated trainId mask for 1 annotated scene ({FIRST.stem}); "
        "run generate_gt.py again"
    )


def test_no_generated_masks_are_a_note(root: Path, listen: Listen) -> None:
    for path in root.glob("generated_gt/*/*/*.png"):
        path.unlink()
    assert any(
        line.startswith("not generated: got no generated_gt/ masks for 4 annotated scenes") for line in listen(0).notes
    )


def test_left_over_masks(root: Path, listen: Listen) -> None:
    save(Scene("val", "lindau", "lindau_000009_000019").generated_mask(root, "labelId"), LABEL_IDS)
    (line,) = listen(2).faults
    assert line.startswith("left over: val: got generated_gt/ masks of 1 scene with neither image nor annotation")


def test_coarse_annotations_are_known(root: Path, listen: Listen) -> None:
    coarse(root, "train", FIRST.stem)
    coarse(root, "train_extra", "augsburg_000000_000000")
    heard = listen(0)
    assert heard.table[0].split() == ["leftImg8bit", "gtFine", "gtCoarse", "generated_gt"]
    assert heard.table[-2].split()[:3] == ["train_extra", "augsburg", "1"]
    assert heard.table[-1].split()[-1] == "19998"


def test_half_of_the_coarse_set(root: Path, listen: Listen) -> None:
    coarse(root, "train_extra", "augsburg_000000_000000")
    coarse(root, "train_extra", "augsburg_000000_000001", image=False)
    save(
        Scene("train_extra", "konigswinter", "konigswinter_000000_000000").image(root), np.zeros((16, 32, 3), np.uint8)
    )
    faults = listen(2).faults
    assert faults == [
        "unpaired: train_extra: got no image for 1 of 2 coarsely annotated scenes (augsburg_000000_000001); "
        "unpack leftImg8bit_trainextra.zip",
        "unpaired: train_extra: got no coarse annotation for 1 of 3 scenes (konigswinter_000000_000000); "
        "unpack gtCoarse.zip",
    ]


def test_coarse_annotations_alone_are_a_note(root: Path, listen: Listen) -> None:
    coarse(root, "train", "bochum_000000_000001", image=False)
    assert any(line.startswith("unpaired: train: got no image for 1 of 1 coarsely") for line in listen(0).notes)


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
