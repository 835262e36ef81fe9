"""Panoptic ground truth equals that of the official converter."""

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import generate_gt
from cityscapes.formats import panoptic_reader
from cityscapes.ground_truth import polygons
from engine.files import atomic
from engine.files.images import read_ids, write_png
from tests.conftest import Ending

WIDTH, HEIGHT = 96, 64
NAMES = ("cityscapes_panoptic_train", "cityscapes_panoptic_val")
BOTH = ("--panoptic", "--panoptic_train_ids")


def official(root: Path, folder: Path, *splits: str, train_ids: bool = False) -> Path:
    """Run the official converter on gtFine; it returns the folder that it wrote to."""
    converter = pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs")
    folder.mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        converter.convert2panoptic(str(root / "gtFine"), str(folder), train_ids, splits or ["train", "val"])
    return folder


def generate(root: Path, *arguments: str) -> int:
    return generate_gt.main(["--root", str(root), "--workers", "1", *arguments])


def pixels(path: Path) -> npt.NDArray[Any]:
    picture = Image.open(path)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def assert_equal(ours: Path, theirs: Path, suffix: str = "", names: Sequence[str] = NAMES) -> None:
    """Compare every byte of the JSON files and every pixel of the PNGs."""
    for name in names:
        assert (ours / f"{name}{suffix}.json").read_bytes() == (theirs / f"{name}{suffix}.json").read_bytes()
        expected = sorted((theirs / f"{name}{suffix}").iterdir())
        assert expected
        assert [path.name for path in sorted((ours / f"{name}{suffix}").iterdir())] == [path.name for path in expected]
        for path in expected:
            assert np.array_equal(pixels(ours / f"{name}{suffix}" / path.name), pixels(path)), path.name


def box(label: str, left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    return {"label": label, "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]]}


CARS = [box("car", x, y, x + 3, y + 3) for y in range(0, HEIGHT, 3) for x in range(0, WIDTH, 3)]
SCENES = {
    "train/aachen/aachen_000000_000019": [
        *(box("road", 0, 0, WIDTH, HEIGHT), box("person", 4, 4, 9, 20), box("persongroup", 30, 4, 50, 20)),
        *(box("cargroup", 0, 40, 20, 50), box("polegroup", 60, 0, 62, 60), box("caravan", 70, 30, 90, 40)),
        *(box("bicycle", 50, 50, 60, 60), box("bicycle", 40, 45, 70, 62), box("license plate", 2, 41, 6, 44)),
    ],
    "train/aachen/aachen_000001_000019": [],
    "train/aachen/aachen_00001_000019": [box("sky", 3, 5, 17, 9), box("sky", 40, 30, 96, 64)],
    "val/frankfurt/frankfurt_000000_000294": CARS,
    "val/frankfurt-west/frankfurt-west_000000_000294": [box("static", 0, 0, 96, 64), box("rail track", 0, 0, 9, 9)],
    "val/lindau/lindau_000000_000019": [box("wall", 0, 0, 40, 64), box("tunnel", 40, 0, 96, 64)],
}
"""Scene -> objects: groups, hidden, unscored and no objects, and more than 256 segments."""
FIRST = "aachen_000000_000019"


def annotate(root: Path, scene: str, objects: list[dict[str, Any]]) -> Path:
    path = root / "gtFine" / f"{scene}_gtFine_polygons.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgWidth": WIDTH, "imgHeight": HEIGHT, "objects": objects}))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Polygons and official masks of the scenes."""
    for scene, objects in SCENES.items():
        path = annotate(tmp_path, scene, objects)
        masks = polygons.draw(polygons.read(path))
        for kind, ids in (("labelIds", masks.label_ids), ("instanceIds", masks.instance_ids)):
            write_png(path.with_name(path.name.replace("polygons.json", f"{kind}.png")), ids)
    return tmp_path


def first_png(root: Path) -> Path:
    return root / "generated_gt" / NAMES[0] / f"{FIRST}_gtFine_panoptic.png"


def first_json(root: Path) -> Path:
    return root / "generated_gt" / f"{NAMES[0]}.json"


def listed(path: Path) -> list[str]:
    """The image ids in a JSON file, after a check that their PNGs exist."""
    images, faults = panoptic_reader.parse(path.read_bytes(), truth=True)
    assert faults == []
    assert all((path.with_suffix("") / image.file_name).is_file() for image in images)
    return [image.image_id for image in images]


@pytest.mark.parametrize("source", [[], ["--from_labels"]], ids=["from polygons", "from instanceIds"])
def test_equals_the_official_converter(root: Path, tmp_path: Path, source: list[str]) -> None:
    assert generate(root, *BOTH, *source) == 0
    assert_equal(root / "generated_gt", official(root, tmp_path / "official"))
    assert_equal(root / "generated_gt", official(root, tmp_path / "official", train_ids=True), "_trainId")
    document = json.loads((root / "generated_gt" / f"{NAMES[1]}.json").read_text())
    assert max(len(image["segments_info"]) for image in document["annotations"]) > 256


def test_masks_of_another_fill_are_converted_likewise(root: Path, tmp_path: Path) -> None:
    assert generate(root, "--panoptic", "--fill", "pillow", "--instance_ids") == 0
    for path in (root / "gtFine").rglob("*_instanceIds.png"):
        scene = path.relative_to(root / "gtFine").as_posix().replace("_gtFine_instanceIds", "_instanceId")
        shutil.copy(root / "generated_gt" / scene, path)
    assert_equal(root / "generated_gt", official(root, tmp_path / "official"))


def test_equals_the_official_converter_on_the_demo(changed_root: Path, tmp_path: Path) -> None:
    assert generate(changed_root, "--panoptic") == 0
    assert_equal(changed_root / "generated_gt", official(changed_root, tmp_path / "official"))


@pytest.mark.parametrize("source", [[], ["--from_labels"]], ids=["from polygons", "from instanceIds"])
def test_equals_the_official_converter_on_real_scenes(
    real_data: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, source: list[str]
) -> None:
    shutil.copytree(real_data / "cityscapes" / "gtFine", tmp_path / "gtFine")
    assert generate(tmp_path, *BOTH, *source) == 0
    expected = tmp_path_factory.getbasetemp() / "official panoptic"
    if not expected.exists():  # it takes seconds
        official(tmp_path, expected)
        official(tmp_path, expected, "train", train_ids=True)
    assert_equal(tmp_path / "generated_gt", expected)
    assert_equal(tmp_path / "generated_gt", expected, "_trainId", NAMES[:1])


def test_instance_ids_of_eight_bits_are_read(root: Path, tmp_path: Path) -> None:
    path = next((root / "gtFine" / "val" / "lindau").glob("*_instanceIds.png"))
    ids = read_ids(path)
    assert ids.dtype == np.uint16
    expected = official(root, tmp_path / "official")  # it cannot read 8 bits with NumPy 2
    write_png(path, ids.astype(np.uint8))
    assert generate(root, "--panoptic", "--from_labels") == 0
    assert_equal(root / "generated_gt", expected)


def test_the_number_of_workers_changes_nothing(root: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (root / "generated_gt").rglob("*panoptic*") if path.is_file()}

    assert generate(root, *BOTH) == 0
    alone = content()
    assert len(alone) == 4 + 2 * len(SCENES)
    shutil.rmtree(root / "generated_gt")
    assert generate(root, *BOTH, "--workers", "3") == 0
    assert content() == alone


def test_reports_each_json_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(root, "--panoptic") == 0
    assert capsys.readouterr().out.splitlines()[3:5] == [
        f"{root / 'generated_gt' / NAMES[0]}.json: 3 images, written",
        f"{root / 'generated_gt' / NAMES[1]}.json: 3 images, written",
    ]


def test_what_is_up_to_date_is_not_made_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(root, *BOTH) == 0
    content = first_json(root).read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (root / "generated_gt").rglob("*panoptic*")}
    capsys.readouterr()
    assert generate(root, *BOTH) == 0
    printed = capsys.readouterr().out
    assert "6 were up to date, 0 faulty; 0 masks written" in printed
    assert printed.count("3 images, up to date") == 4
    assert {path: path.stat().st_mtime_ns for path in (root / "generated_gt").rglob("*panoptic*")} == times

    first_json(root).unlink()
    assert generate(root, *BOTH) == 0
    assert first_json(root).read_bytes() == content
    first_json(root).write_bytes(content[:-9])
    first_png(root).write_bytes(first_png(root).read_bytes()[:-9])
    assert generate(root, *BOTH) == 0
    assert first_json(root).read_bytes() == content
    assert "1 scene drawn" in (printed := capsys.readouterr().out)
    assert printed.count("3 images, written") == 2


def test_changed_polygons_change_png_and_json(root: Path, tmp_path: Path) -> None:
    assert generate(root, "--panoptic") == 0
    path = annotate(root, f"train/aachen/{FIRST}", [box("bus", 1, 2, 30, 40)])
    for mask in path.parent.glob(f"{FIRST}*.png"):
        mask.unlink()
    write_png(path.with_name(f"{FIRST}_gtFine_instanceIds.png"), polygons.draw(polygons.read(path)).instance_ids)
    assert generate(root, "--panoptic") == 0
    assert_equal(root / "generated_gt", official(root, tmp_path / "official"))


def test_a_faulty_scene_is_not_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "gtFine" / f"train/aachen/{FIRST}_gtFine_polygons.json"
    content = path.read_text()
    path.write_text("{")
    assert generate(root, "--panoptic") == 2
    printed = capsys.readouterr()
    assert f"{first_json(root)}: 2 images, written; 1 faulty scene left out\n" in printed.out
    assert str(path) in printed.err
    assert FIRST not in listed(first_json(root))
    assert len(listed(root / "generated_gt" / f"{NAMES[1]}.json")) == 3

    path.write_text(content)
    assert generate(root, "--panoptic") == 0
    assert FIRST in listed(first_json(root))
    path.write_text("{")  # its PNG exists now, but may not be that of the polygons
    assert generate(root, "--panoptic") == 2
    assert FIRST not in listed(first_json(root))


def test_a_split_of_faulty_scenes_has_an_empty_list(root: Path) -> None:
    for path in (root / "gtFine" / "val").rglob("*_polygons.json"):
        path.write_text("[]")
    assert generate(root, "--panoptic") == 2
    assert listed(root / "generated_gt" / f"{NAMES[1]}.json") == []


@pytest.mark.parametrize("number", range(4))
def test_an_interrupted_run_leaves_no_wrong_json(
    root: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert generate(root, "--panoptic") == 0
    for scene in SCENES:  # all PNGs and JSON files change
        path = annotate(root, scene, [box("truck", 5, 5, 50, 50)])
        for mask in path.parent.glob("*.png"):
            mask.unlink()
    written = 0
    write_bytes = atomic.write_bytes

    def interrupted(path: Path, content: bytes) -> None:
        nonlocal written
        if path.name.endswith("_panoptic.png"):
            if written == number:
                raise KeyboardInterrupt
            written += 1
        write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_bytes", interrupted)
        generate(root, "--panoptic")
    assert written == number
    assert not first_json(root).exists(), "it would not fit to the new PNGs"
    assert (root / "generated_gt" / f"{NAMES[1]}.json").exists() == (number < 3), "no PNG of val has changed yet"
    assert generate(root, "--panoptic") == 0
    for name in NAMES:
        segments = json.loads((root / "generated_gt" / f"{name}.json").read_text())["annotations"]
        assert [len(image["segments_info"]) for image in segments] == [1, 1, 1]


def test_unfinished_files_of_a_killed_process_are_removed(root: Path) -> None:
    left = [path.with_name(f".{path.name}.999999999.part") for path in (first_png(root), first_json(root))]
    first_png(root).parent.mkdir(parents=True)
    for path in left:
        path.touch()
    assert generate(root, "--panoptic") == 0
    assert not any(path.exists() for path in left)


def test_official_names_for_other_tools(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(root, *BOTH, "--official_names") == 0
    for folder in (root / "gtFine", root / "generated_gt"):
        assert_equal(folder, official(root, tmp_path / "official"))
        assert_equal(folder, official(root, tmp_path / "official", train_ids=True), "_trainId")
    assert capsys.readouterr().out.count("3 images, written") == 8
    assert generate(root, *BOTH, "--official_names") == 0
    assert capsys.readouterr().out.count("3 images, up to date") == 8


def test_what_another_tool_made_is_kept(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official(root, root / "gtFine")
    theirs = {path: path.read_bytes() for path in (root / "gtFine").glob("cityscapes_panoptic_*/*")}
    assert generate(root, "--panoptic", "--official_names") == 0
    assert capsys.readouterr().out.count("3 images, up to date") == 2, "their JSON files are the same"
    theirs_json = root / "gtFine" / f"{NAMES[0]}.json"
    theirs_json.write_text("{}")
    ours_json = root / "gtFine" / f"{NAMES[1]}.json"
    ours_json.unlink()
    assert generate(root, "--panoptic", "--official_names") == 0
    printed = capsys.readouterr().out
    assert f"{theirs_json}: it differs, and is kept because another tool made its PNGs; to replace it, move" in printed
    assert f"{ours_json}: 3 images, written" in printed
    assert theirs_json.read_text() == "{}"
    assert {path: path.read_bytes() for path in theirs} == theirs


@pytest.mark.parametrize(
    "arguments",
    [["--annotations", "gtCoarse"], ["--polygons", "somewhere"], ["--labels", "mine.csv", "--polygons", "somewhere"]],
)
def test_other_annotations_are_refused(error_of: Ending, arguments: list[str]) -> None:
    message = error_of(generate_gt.main, "--panoptic_train_ids", *arguments)
    assert f"panoptic ground truth is that of gtFine with the official labels, got {arguments[-2]}" in message
    assert "leave out --panoptic and --panoptic_train_ids, or these options" in message


def test_official_masks_of_instance_ids_are_checked(root: Path, error_of: Ending) -> None:
    missing, other, *_ = sorted((root / "gtFine").rglob("*_instanceIds.png"))
    missing.unlink()
    write_png(other, np.full((HEIGHT, WIDTH), 77, np.uint8))
    message = error_of(generate_gt.main, "--root", root, "--panoptic", "--from_labels")
    assert f"{missing}: no such file" in message
    assert f"{other}: expected instance ids (label id, or 1000 x label id + number), got 77; unpack" in message
    assert len(listed(first_json(root))) == 1


def test_too_many_objects_of_a_label_are_refused(root: Path, error_of: Ending) -> None:
    path = annotate(root, f"train/aachen/{FIRST}", [box("car", 0, 0, 9, 9)] * 1001)
    message = error_of(generate_gt.main, "--root", root, "--panoptic")
    assert f"{path}: 1001 objects of car, expected at most 1000 of a label: " in message
    assert "leave out --instance_ids and --panoptic" in message


def test_a_json_file_that_cannot_be_written_is_reported(root: Path, error_of: Ending) -> None:
    first_json(root).mkdir(parents=True)
    message = error_of(generate_gt.main, "--root", root, "--panoptic")
    assert f"{first_json(root)}: got a folder, expected a file" in message
    assert len(listed(root / "generated_gt" / f"{NAMES[1]}.json")) == 3
