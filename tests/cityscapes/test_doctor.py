import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.doctor import examine, main, pairing
from cityscapes.doctor.inventory import Inventory
from cityscapes.labels import TRAIN_ID_OF
from cityscapes.layout import Scene

SIZE = (32, 16)
ROAD = {"label": "road", "polygon": [[0, 0], [31, 0], [31, 15], [0, 15]]}
LABEL_IDS = np.full((16, 32), 7, np.uint8)
SCENES = [
    Scene(split, city, f"{city}_000000_{frame:06d}")
    for split, city in (("train", "aachen"), ("val", "lindau"), ("test", "bonn"))
    for frame in range(2)
]
FIRST = SCENES[0]
DATA = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))


def save(path: Path, pixels: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def annotate(path: Path, *objects: dict[str, Any], size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgWidth": size[0], "imgHeight": size[1], "objects": objects}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for scene in SCENES:
        dummy = scene.split == "test"
        label_ids = LABEL_IDS * (not dummy)
        save(scene.image(tmp_path), np.zeros((16, 32, 3), np.uint8))
        annotate(scene.polygons(tmp_path), *([] if dummy else [ROAD]))
        save(scene.official_mask(tmp_path, "labelIds"), label_ids)
        save(scene.official_mask(tmp_path, "instanceIds"), label_ids.astype(np.uint16))
        if not dummy:
            save(scene.generated_mask(tmp_path, "labelId"), label_ids)
            save(scene.generated_mask(tmp_path, "trainId"), TRAIN_ID_OF[label_ids])
    return tmp_path


class Heard(NamedTuple):
    """What the doctor says: the table, then one line for each finding."""

    table: list[str]
    faults: list[str]
    notes: list[str]


@pytest.fixture
def listen(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[int], Heard]:
    def run(code: int) -> Heard:
        assert main(["--root", str(root), "--workers", "1"]) == code
        table, _, rest = capsys.readouterr().out.partition("\n\n")
        *findings, verdict = rest.splitlines()
        faults = [line.removeprefix("fault  ") for line in findings if line.startswith("fault  ")]
        notes = [line.removeprefix("note  ") for line in findings if line.startswith("note  ")]
        assert len(faults) + len(notes) == len(findings)
        assert all("; " in line for line in findings)
        assert verdict.startswith(f"{root}: {'healthy' if code == 0 else len(faults)}")
        return Heard(table.splitlines(), faults, notes)

    return run


Listen = Callable[[int], Heard]


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


def cut(root: Path) -> None:
    path = FIRST.image(root)
    path.write_bytes(path.read_bytes()[:45])


def colour_mask(root: Path) -> None:
    save(FIRST.official_mask(root, "labelIds"), np.zeros((16, 32, 3), np.uint8))


def foreign_label_id(root: Path) -> None:
    save(FIRST.official_mask(root, "labelIds"), np.full((16, 32), 77, np.uint8))


def small_mask(root: Path) -> None:
    save(FIRST.generated_mask(root, "trainId"), np.zeros((8, 16), np.uint8))


def unknown_label(root: Path) -> None:
    annotate(FIRST.polygons(root), ROAD, {"label": "unicorn", "polygon": []})


UNREADABLE = "unreadable: got 1 file that cannot be read ({}/train/aachen/aachen_000000_000000_{}"
POLYGONS = (
    "polygons: got 1 error in polygon files, expected those of gtFine "
    "(gtFine/train/aachen/aachen_000000_000000_gtFine_polygons.json: {}"
)
IDS = (
    "ids: got 1 file with ids that the label table lacks, expected label ids 0 to 33, train ids 0 to 18 or 255 "
    "({}/train/aachen/aachen_000000_000000_{}"
)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (cut, UNREADABLE.format("leftImg8bit", "leftImg8bit.png: cut off); unpack or generate them again")),
        (
            lambda root: FIRST.official_mask(root, "labelIds").write_bytes(b"hello"),
            UNREADABLE.format("gtFine", "gtFine_labelIds.png: no PNG); unpack or generate"),
        ),
        (
            colour_mask,
            UNREADABLE.format("gtFine", "gtFine_labelIds.png: expected one channel of ids, got a RGB image)"),
        ),
        (lambda root: FIRST.polygons(root).write_text('{"imgWidth": 32'), POLYGONS.format("broken JSON (")),
        (unknown_label, POLYGONS.format("object 1: unknown label 'unicorn'); unpack gtFine_trainvaltest.zip")),
        (foreign_label_id, IDS.format("gtFine", "gtFine_labelIds.png: 77); unpack or generate")),
        (
            lambda root: save(FIRST.generated_mask(root, "trainId"), np.full((16, 32), 19, np.uint8)),
            IDS.format("generated_gt", "trainId.png: 19)"),
        ),
        (
            lambda root: save(FIRST.official_mask(root, "instanceIds"), np.full((16, 32), 7001, np.uint16)),
            IDS.format("gtFine", "gtFine_instanceIds.png: 7001)"),
        ),
        (
            small_mask,
            "size: got 1 scene whose image and masks differ in size (aachen_000000_000000: "
            "image/polygons/labelIds/instanceIds/labelId 32 x 16, trainId 16 x 8); ",
        ),
    ],
)
def test_broken_file(spoil: Callable[[Path], object], expected: str, root: Path, listen: Listen) -> None:
    spoil(root)
    (line,) = listen(2).faults
    assert line.startswith(expected)


@pytest.mark.parametrize("kind", ["image", "labelIds"])
def test_a_file_that_ends_after_its_pixels_is_found(kind: str, root: Path, listen: Listen) -> None:
    path = FIRST.image(root) if kind == "image" else FIRST.official_mask(root, kind)
    path.write_bytes(path.read_bytes()[:-12])
    (line,) = listen(2).faults
    assert line.endswith(f"{path.name}: cut off); unpack or generate them again")


def test_a_flipped_byte_in_a_photograph_is_found(root: Path, listen: Listen) -> None:
    path = FIRST.image(root)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(content)
    (line,) = listen(2).faults
    assert line.endswith("leftImg8bit.png: wrong checksum in chunk IDAT); unpack or generate them again")


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


def test_every_fault_at_once(root: Path, listen: Listen) -> None:
    for spoil in (cut, foreign_label_id, small_mask, unknown_label):
        spoil(root)
    SCENES[2].image(root).unlink()
    assert [line.partition(":")[0] for line in listen(2).faults] == [
        "unpaired",
        "unreadable",
        "polygons",
        "ids",
        "size",
    ]


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


def test_real_sample(capsys: pytest.CaptureFixture[str]) -> None:
    root = DATA / "cityscapes"
    if not root.is_dir():
        pytest.skip(f"no {root}; set SEGMENTATION_DATA to the folder of the public samples")
    assert main(["--root", str(root)]) == 2
    lines = capsys.readouterr().out.splitlines()
    faults = [line for line in lines if line.startswith("fault")]
    assert len(faults) == 1
    assert faults[0].startswith("fault  unpaired: val: got no image for 7 of 9 scenes")
    assert not any("size" in line for line in lines)
