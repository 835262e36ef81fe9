"""Files that exist, files in the wrong place, and the output formats of the doctor."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cityscapes.doctor import examine, main
from tests.cityscapes.drawn_root import FIRST, LABEL_IDS, SCENES, RunDoctor, annotate, coarse, save
from tests.unreadable import refusal, refused


def test_small_complete_set_is_healthy(run_doctor: RunDoctor) -> None:
    output = run_doctor(0)
    kinds = [line.partition(":")[0] for line in output.notes]
    assert kinds == ["size", "dummies", "numbers", "numbers", "numbers"]
    assert output.notes[0].startswith("size: got 6 scenes of another size than the official 2048 x 1024")
    assert output.notes[1].startswith("dummies: test: got 2 dummy annotations, as expected")
    assert "val: got 2 images, the official set has 500 (lindau 2 of 59, frankfurt 0 of 267" in output.notes[3]
    assert "fine for a subset or a synthetic set" in output.notes[3]


def test_table(run_doctor: RunDoctor) -> None:
    table = [line.split() for line in run_doctor(0).table]
    assert table[0] == ["leftImg8bit", "gtFine", "generated_gt"]
    assert table[1][:4] == ["split", "city", "image", "polygons"]
    assert table[2] == ["train", "aachen", "2", "2", "2", "2", "2", "2", "0", "0", "174"]
    assert table[-1] == ["test", "all", "2", "2", "2", "2", "0", "0", "0", "0", "1525"]


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FIRST.image(root).write_bytes(b"")
    assert main(["--root", str(root), "--workers", "1", "--json"]) == 2
    printed = json.loads(capsys.readouterr().out)
    assert printed["healthy"] is False
    assert printed["counts"][0]["city"] == "aachen"
    assert printed["counts"][0]["files"]["image"] == 2
    assert printed["findings"][0] == {
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


def test_wrong_city_folder(root: Path, run_doctor: RunDoctor) -> None:
    path = FIRST.image(root)
    other = path.parents[1] / "zurich" / path.name
    other.parent.mkdir()
    path.rename(other)
    (line,) = run_doctor(2).faults
    assert line == (
        f"wrong city: got 1 file in the folder of another city (leftImg8bit/train/zurich/{path.name}); "
        "move each to the city that its name starts with"
    )


def test_damaged_coarse_masks_are_found(root: Path, run_doctor: RunDoctor) -> None:
    coarse(root, "val", SCENES[2].stem)
    save(root / f"gtCoarse/val/lindau/{SCENES[2].stem}_gtCoarse_labelIds.png", np.full((16, 32), 77, np.uint8))
    (line,) = run_doctor(2).faults
    assert line.startswith("ids: got 1 file with ids that are not in the label table")


def test_blank_annotation_is_a_note(root: Path, run_doctor: RunDoctor) -> None:
    annotate(FIRST.polygons(root))
    save(FIRST.official_mask(root, "labelIds"), LABEL_IDS * 0)
    save(FIRST.generated_mask(root, "labelId"), LABEL_IDS * 0)
    assert any(line.startswith("blank: got 1 annotation without any scored class") for line in run_doctor(0).notes)


def test_unknown_files_are_ignored(root: Path, run_doctor: RunDoctor) -> None:
    (root / "readme.txt").touch()
    (root / "camera").mkdir()
    (root / "leftImg8bit/train/aachen/notes.txt").touch()
    (root / "leftImg8bit/train/aachen/._aachen_leftImg8bit.png").touch()
    run_doctor(0)


def test_images_outside_a_city_folder(root: Path, run_doctor: RunDoctor) -> None:
    path = FIRST.image(root)
    path.rename(path.parents[1] / path.name)
    loose, unpaired = run_doctor(2).faults
    assert loose.startswith("no city folder: got 1 file directly in a split folder, expected them in folders by city")
    assert unpaired.startswith("unpaired: train: got no image for 1 of 2 scenes")


def test_empty_city(root: Path, run_doctor: RunDoctor) -> None:
    (root / "gtFine/val/munster").mkdir()
    (line,) = run_doctor(2).faults
    assert line.startswith("empty city: got 1 empty folder, expected files in it (gtFine/val/munster); unpack gtFine_")


@pytest.mark.parametrize("outer", ["leftImg8bit", "leftImg8bit_trainvaltest"])
def test_nested_folders(outer: str, root: Path, run_doctor: RunDoctor) -> None:
    (root / "leftImg8bit").rename(root / "aside")
    (root / outer).mkdir()
    (root / "aside").rename(root / outer / "leftImg8bit")
    line = run_doctor(2).faults[0]
    assert line == (
        f"nesting: got {outer}/leftImg8bit/, expected leftImg8bit/ directly in {root}; "
        f"move its split folders to {root}/leftImg8bit/"
    )


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("nowhere", "nowhere: no such folder; give the folder that has leftImg8bit/ and gtFine/"),
        ("gtFine/val", "neither leftImg8bit/ nor gtFine/ in it"),
        ("gtFine", "this is only a part of a data set; give the folder above it"),
        ("..", "; give --root "),
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


def test_a_set_without_images_is_not_healthy(root: Path, run_doctor: RunDoctor) -> None:
    for folder in ("leftImg8bit", "gtFine", "generated_gt"):
        shutil.rmtree(root / folder)
    coarse(root, "train_extra", "augsburg_000000_000000", image=False)
    (line,) = run_doctor(2).faults
    assert line.startswith("no images: got no image in any split, expected leftImg8bit/<split>/<city>/")


def test_the_next_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "--workers", "1"]) == 0
    assert capsys.readouterr().out.endswith(f"next: python train_fcn.py --root {root}\n")
    shutil.rmtree(root / "generated_gt")
    assert main(["--root", str(root), "--workers", "1"]) == 0
    assert capsys.readouterr().out.endswith(f"next: python generate_gt.py --root {root}\n")


def test_every_folder_that_cannot_be_listed_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [root / "gtFine/val", root / "leftImg8bit/train/aachen"]
    with refused(*folders):
        assert main(["--root", str(root)]) == 2
    assert sorted(capsys.readouterr().err.splitlines()) == [refusal(folder) for folder in folders]
