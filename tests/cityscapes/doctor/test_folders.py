"""What is there, what belongs together, and what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cityscapes.doctor import examine, main, pairing
from cityscapes.doctor.inventory import Inventory
from cityscapes.layout import Scene
from tests.cityscapes.drawn_root import FIRST, LABEL_IDS, ROAD, SCENES, Listen, annotate, save


def test_small_complete_set_is_healthy(listen: Listen) -> None:
    heard = listen(0)
    kinds = [line.partition(":")[0] for line in heard.notes]
    assert kinds == ["size", "dummies", "numbers", "numbers", "numbers"]
    assert heard.notes[0].startswith("size: got 6 scenes of another size than the official 2048 x 1024")
    assert heard.notes[1].startswith("dummies: test: got 2 dummy annotations, as expected")
    assert "val: got 2 images, the official set has 500 (lindau 2 of 59, frankfurt 0 of 267" in heard.notes[3]
    assert "right for a subset or a synthetic set" in heard.notes[3]


def test_table(listen: Listen) -> None:
    table = [line.split() for line in listen(0).table]
    assert table[0] == ["leftImg8bit", "gtFine", "generated_gt"]
    assert table[1][:4] == ["split", "city", "image", "polygons"]
    assert table[2] == ["train", "aachen", "2", "2", "2", "2", "2", "2", "0", "0", "174"]
    assert table[-1] == ["test", "all", "2", "2", "2", "2", "0", "0", "0", "0", "1525"]


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FIRST.image(root).write_bytes(b"")
    assert main(["--root", str(root), "--workers", "1", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is False
    assert told["counts"][0]["city"] == "aachen"
    assert told["counts"][0]["files"]["image"] == 2
    assert told["findings"][0] == {
        "severity": "fault",
        "kind": "unreadable",
        "what": "got 1 file that cannot be read",
        "remedy": "unpack or generate them again",
        "count": 1,
        "examples": [f"leftImg8bit/train/aachen/{FIRST.stem}_leftImg8bit.png: the file is empty"],
    }


def test_processes_find_the_same(root: Path) -> None:
    FIRST.polygons(root).write_text("{")
    assert examine(root, 2) == examine(root, 1)


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


def test_wrong_city_folder(root: Path, listen: Listen) -> None:
    path = FIRST.image(root)
    other = path.parents[1] / "zurich" / path.name
    other.parent.mkdir()
    path.rename(other)
    (line,) = listen(2).faults
    assert line == (
        f"wrong city: got 1 file in the folder of another city (leftImg8bit/train/zurich/{path.name}); "
        "move each to the city that its name starts with"
    )


def coarse(root: Path, split: str, stem: str, *, image: bool = True) -> None:
    city = stem.split("_", maxsplit=1)[0]
    annotate(root / f"gtCoarse/{split}/{city}/{stem}_gtCoarse_polygons.json", ROAD)
    save(root / f"gtCoarse/{split}/{city}/{stem}_gtCoarse_labelIds.png", LABEL_IDS)
    if image:
        save(Scene(split, city, stem).image(root), np.zeros((16, 32, 3), np.uint8))


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


def test_damaged_coarse_masks_are_found(root: Path, listen: Listen) -> None:
    coarse(root, "val", SCENES[2].stem)
    save(root / f"gtCoarse/val/lindau/{SCENES[2].stem}_gtCoarse_labelIds.png", np.full((16, 32), 77, np.uint8))
    (line,) = listen(2).faults
    assert line.startswith("ids: got 1 file with ids that the label table lacks")


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


def test_blank_annotation_is_a_note(root: Path, listen: Listen) -> None:
    annotate(FIRST.polygons(root))
    save(FIRST.official_mask(root, "labelIds"), LABEL_IDS * 0)
    save(FIRST.generated_mask(root, "labelId"), LABEL_IDS * 0)
    assert any(line.startswith("blank: got 1 annotation without any scored class") for line in listen(0).notes)


def test_strangers_are_no_fault(root: Path, listen: Listen) -> None:
    (root / "readme.txt").touch()
    (root / "camera").mkdir()
    (root / "leftImg8bit/train/aachen/notes.txt").touch()
    (root / "leftImg8bit/train/aachen/._aachen_leftImg8bit.png").touch()
    listen(0)


def test_images_in_no_city_folder(root: Path, listen: Listen) -> None:
    path = FIRST.image(root)
    path.rename(path.parents[1] / path.name)
    loose, unpaired = listen(2).faults
    assert loose.startswith("no city folder: got 1 file directly in a split folder, expected them in folders by city")
    assert unpaired.startswith("unpaired: train: got no image for 1 of 2 scenes")


def test_empty_city(root: Path, listen: Listen) -> None:
    (root / "gtFine/val/munster").mkdir()
    (line,) = listen(2).faults
    assert line.startswith("empty city: got 1 empty folder, expected files in it (gtFine/val/munster); unpack gtFine_")


@pytest.mark.parametrize("outer", ["leftImg8bit", "leftImg8bit_trainvaltest"])
def test_nested_folders(outer: str, root: Path, listen: Listen) -> None:
    (root / "leftImg8bit").rename(root / "aside")
    (root / outer).mkdir()
    (root / "aside").rename(root / outer / "leftImg8bit")
    line = listen(2).faults[0]
    assert line == (
        f"nesting: got {outer}/leftImg8bit/, expected leftImg8bit/ directly in {root}; "
        f"move its split folders to {root}/leftImg8bit/"
    )


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("nowhere", "nowhere: no such folder; give the folder that has leftImg8bit/ and gtFine/"),
        ("gtFine/val", "neither leftImg8bit/ nor gtFine/ in it"),
        ("gtFine", "this is one part of a data set; give the folder around it"),
        ("..", "but in "),
    ],
)
def test_wrong_root(folder: str, expected: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root / folder)]) == 2
    assert expected in capsys.readouterr().err


def test_real_sample(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(real_data / "cityscapes")]) == 2
    lines = capsys.readouterr().out.splitlines()
    faults = [line for line in lines if line.startswith("fault")]
    assert len(faults) == 1
    assert faults[0].startswith("fault  unpaired: val: got no image for 7 of 9 scenes")
    assert not any("size" in line for line in lines)
