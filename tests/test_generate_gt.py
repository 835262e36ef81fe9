import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import generate_gt
from cityscapes import layout
from cityscapes.ground_truth import polygons
from cityscapes.labels import COLOR_OF, TRAIN_ID_OF, find
from cityscapes.layout import Scene
from engine.files.images import read_ids, read_image, write_png
from tests.unreadable import refusal, refused


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of the demo's annotations that a test may change."""
    shutil.copytree(demo_root / "gtFine", tmp_path / "gtFine")
    return tmp_path


def scenes(root: Path) -> list[Scene]:
    return [scene for split in ("train", "val") for scene in layout.scenes_with_polygons(root, split)]


def test_draws_every_mask(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(root), "--instance_ids", "--workers", "2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"{root / 'generated_gt'}: 7 scenes drawn, 0 were up to date, 0 faulty; 28 masks written",
        "compared with the official set: 4 of 2975 train scenes, 3 of 500 val scenes",
        "agreement with the official masks: 229,376 of 229,376 pixels (100 %) in 7 scenes",
        f"next: python train_fcn.py --root {root}",
    ]
    for scene in scenes(root):
        label_ids = read_ids(scene.official_mask(root, "labelIds"))
        assert np.array_equal(read_ids(scene.generated_mask(root, "labelId")), label_ids)
        assert np.array_equal(read_ids(scene.generated_mask(root, "trainId")), TRAIN_ID_OF[label_ids])
        assert np.array_equal(read_image(scene.generated_mask(root, "color")), COLOR_OF[label_ids])
        instance_ids = read_ids(scene.generated_mask(root, "instanceId"))
        assert instance_ids.dtype == np.uint16
        assert np.array_equal(instance_ids, read_ids(scene.official_mask(root, "instanceIds")))
    assert not (root / "generated_gt" / "test").exists()


def test_the_number_of_workers_changes_nothing(root: Path) -> None:
    def generated(workers: int) -> dict[Path, bytes]:
        assert generate_gt.main(["--root", str(root), "--redo", "--workers", str(workers)]) == 0
        return {path: path.read_bytes() for path in (root / "generated_gt").rglob("*.png")}

    assert generated(1) == generated(3)


def test_skips_what_is_up_to_date(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate_gt.main(["--root", str(root)])
    first, *others = scenes(root)
    first.generated_mask(root, "color").unlink()
    untouched = others[0].generated_mask(root, "color").stat().st_mtime_ns
    capsys.readouterr()
    assert generate_gt.main(["--root", str(root)]) == 0
    assert "1 scene drawn, 6 were up to date" in capsys.readouterr().out
    assert first.generated_mask(root, "color").is_file()
    assert others[0].generated_mask(root, "color").stat().st_mtime_ns == untouched


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def overwrite(path: Path) -> None:
    write_png(path, read_ids(path)[::-1], notes={"Software": "generate_gt.py"})


def replace_by_another_kind(path: Path) -> None:
    shutil.copy(path.with_name(path.name.replace("labelId", "trainId")), path)


@pytest.mark.parametrize("spoil", [cut, flip_a_bit, overwrite, replace_by_another_kind])
def test_a_mask_that_was_changed_is_drawn_again(
    root: Path, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 0
    path = scenes(root)[1].generated_mask(root, "labelId")
    before, time = path.read_bytes(), path.stat()
    spoil(path)
    os.utime(path, ns=(time.st_atime_ns, time.st_mtime_ns))
    capsys.readouterr()
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 0
    assert "1 scene drawn, 6 were up to date" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_polygons_are_compared_by_content_not_by_time(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 0
    restored, touched, *_ = scenes(root)
    content = json.loads(restored.polygons(root).read_text())
    restored.polygons(root).write_text(json.dumps(content | {"objects": content["objects"][:1]}))
    os.utime(restored.polygons(root), (0, 0))
    touched.polygons(root).touch()
    capsys.readouterr()
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 0
    assert "1 scene drawn, 6 were up to date" in capsys.readouterr().out
    assert len(np.unique(read_ids(restored.generated_mask(root, "labelId")))) <= 2


def test_unfinished_files_of_a_killed_process_are_removed(root: Path) -> None:
    path = scenes(root)[0].generated_mask(root, "labelId")
    left = path.with_name(f".{path.name}.999999999.part")
    left.parent.mkdir(parents=True)
    left.touch()
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 0
    assert not left.exists()


def test_official_names_for_other_tools(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = scenes(root)
    official = second.official_mask(root, "labelIds").read_bytes()
    first.official_mask(root, "labelIds").unlink()
    assert generate_gt.main(["--root", str(root), "--official_names"]) == 0
    for kind in ("labelIds", "labelTrainIds", "color"):
        assert first.official_mask(root, kind).is_file()
        assert second.official_mask(root, kind).is_file()
    assert second.official_mask(root, "labelIds").read_bytes() == official, "masks of the data set are kept"
    assert "7 scenes drawn" in (printed := capsys.readouterr().out)
    assert "36 masks written there and next to the polygons" in printed, (
        "three of each scene, two next to the polygons of each, and one more"
    )


def test_generated_masks_are_not_taken_for_official_ones(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for scene in scenes(root):
        scene.official_mask(root, "labelIds").unlink()
    for _ in range(2):
        assert generate_gt.main(["--root", str(root), "--official_names"]) == 0
        assert "agreement" not in capsys.readouterr().out


def test_reports_where_masks_differ(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scenes(root)[0].official_mask(root, "labelIds")
    mask = read_ids(path).copy()
    assert mask[100, 128] == 7
    mask[100, 128] = 11
    write_png(path, mask)
    assert generate_gt.main(["--root", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "(99.9996 %) in 7 scenes" in printed
    assert f"{scenes(root)[0].stem}: 1 pixel differs" in printed


def test_lists_every_faulty_file_and_draws_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, unknown, truncated, *_ = scenes(root)
    broken.polygons(root).write_text("{")
    unknown.polygons(root).write_text(unknown.polygons(root).read_text().replace('"road"', '"raod"'))
    mask = truncated.official_mask(root, "labelIds")
    mask.write_bytes(mask.read_bytes()[:-40])
    assert generate_gt.main(["--root", str(root), "--workers", "2"]) == 2
    printed = capsys.readouterr()
    assert "4 scenes drawn, 0 were up to date, 3 faulty" in printed.out
    assert printed.out.endswith(
        "next: fix these files, then run the same command again: it draws only the missing masks\n"
    )
    assert f"{broken.stem}_gtFine_polygons.json: broken JSON" in printed.err
    assert f"{unknown.stem}_gtFine_polygons.json: object" in printed.err
    assert "unknown label 'raod'" in printed.err
    assert f"{mask}: damaged image" in printed.err


@pytest.mark.parametrize("flags", [[], ["--from_labels"]])
def test_a_scene_that_lost_its_annotation_is_an_error(
    root: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    scene = scenes(root)[1]
    path = scene.official_mask(root, "labelIds") if flags else scene.polygons(root)
    path.unlink()
    assert generate_gt.main(["--root", str(root), "--workers", "1", *flags]) == 2
    printed = capsys.readouterr()
    assert "6 scenes drawn, 0 were up to date, 1 faulty" in printed.out
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: {path}: no such file, although other files of this scene exist; unpack gtFine_")


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_no_data(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(tmp_path / folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "python -m cityscapes.demo" in error


def test_no_polygons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gtFine").mkdir()
    assert generate_gt.main(["--root", str(tmp_path)]) == 2
    assert "unpack gtFine_trainvaltest.zip" in capsys.readouterr().err


def test_the_fill_of_the_installed_pillow(root: Path) -> None:
    scene = scenes(root)[0]
    annotation = polygons.read(scene.polygons(root))
    canvas = Image.new("L", (annotation.width, annotation.height), 0)
    for shape in annotation.shapes:
        label = find(shape.label)[0]
        if label.id >= 0:
            ImageDraw.Draw(canvas).polygon([(x, y) for x, y in shape.polygon.tolist()], fill=label.id)
    exact = read_ids(scene.official_mask(root, "labelIds"))

    for fill, expected in (("exact", exact), ("pillow", np.asarray(canvas)), ("exact", exact)):
        assert generate_gt.main(["--root", str(root), "--fill", fill]) == 0
        assert np.array_equal(read_ids(scene.generated_mask(root, "labelId")), expected), "made again with each fill"
    assert not np.array_equal(np.asarray(canvas), exact)


def test_a_table_and_a_picture_of_what_differs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "generated_gt"
    assert generate_gt.main(["--root", str(root), "--fill", "pillow"]) == 0
    printed = capsys.readouterr().out
    assert "at boundaries" in printed
    assert str(folder / "agreement_worst.png") in printed
    with (folder / "agreement.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["of"] for row in rows].count("image") == 7
    whole, *parts = rows
    for of in ("label", "image"):
        for column in ("pixels", "differing", "boundary", "boundary_differing"):
            assert int(whole[column]) == sum(int(row[column]) for row in parts if row["of"] == of)
    worst = max(int(row["differing"]) for row in parts if row["of"] == "image")
    magenta = (read_image(folder / "agreement_worst.png") == (255, 0, 255)).all(axis=2).sum()
    assert 0 < worst < magenta

    assert generate_gt.main(["--root", str(root)]) == 0
    assert sum("agreement" in line for line in capsys.readouterr().out.splitlines()) == 1, "one line where all agree"
    assert not (folder / "agreement_worst.png").exists()


def test_train_ids_and_colours_from_official_label_ids(root: Path) -> None:
    for scene in scenes(root):
        scene.polygons(root).unlink()
    assert generate_gt.main(["--root", str(root), "--from_labels"]) == 0
    for scene in scenes(root):
        label_ids = read_ids(scene.official_mask(root, "labelIds"))
        assert np.array_equal(read_ids(scene.generated_mask(root, "trainId")), TRAIN_ID_OF[label_ids])
        assert np.array_equal(read_image(scene.generated_mask(root, "color")), COLOR_OF[label_ids])
        assert not scene.generated_mask(root, "labelId").exists()


def test_from_labels_refuses_train_ids(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scenes(root)[0].official_mask(root, "labelIds")
    write_png(path, TRAIN_ID_OF[read_ids(path)])
    assert generate_gt.main(["--root", str(root), "--from_labels"]) == 2
    printed = capsys.readouterr()
    assert "6 scenes drawn, 0 were up to date, 1 faulty" in printed.out
    assert f"{path}: expected label ids (0 to 33), got 255" in printed.err


@pytest.mark.parametrize("flags", [["--instance_ids"], ["--fill", "pillow"]])
def test_flags_that_need_polygons(root: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(root), "--from_labels", *flags]) == 2
    assert "leave out" in capsys.readouterr().err


def test_coarse_annotations(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, scene in zip(("train", "train_extra", "val", "test"), scenes(root), strict=False):
        folder = root / "gtCoarse" / split / scene.city
        folder.mkdir(parents=True)
        shutil.copy(scene.polygons(root), folder / f"{scene.stem}_gtCoarse_polygons.json")
    shutil.rmtree(root / "gtFine")
    assert generate_gt.main(["--root", str(root), "--annotations", "gtCoarse"]) == 0
    assert "generated_gtCoarse: 3 scenes drawn" in capsys.readouterr().out
    drawn = sorted(path.relative_to(root).parts[:2] for path in root.rglob("*_trainId.png"))
    assert drawn == [("generated_gtCoarse", split) for split in ("train", "train_extra", "val")]


def test_custom_polygons_and_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, folder = tmp_path / "labels.csv", tmp_path / "farm"
    labels.write_text("name,id,trainId,color,hasInstances\nfield,200,3,#102030,\ntractor,9,4,#405060,1\n")
    (folder / "east").mkdir(parents=True)
    square = [[0, 0], [4, 0], [4, 5], [0, 5]]
    shapes = [{"label": "field", "polygon": square}, {"label": "tractor", "polygon": [[1, 1], [2, 1], [2, 3], [1, 3]]}]
    annotation = {"imgWidth": 5, "imgHeight": 7, "objects": shapes}
    (folder / "east" / "1.json").write_text(json.dumps(annotation))
    command = ["--polygons", str(folder), "--labels", str(labels), "--instance_ids"]
    assert generate_gt.main(command) == 0
    stem = folder / "generated_gt" / "east" / "1"
    assert read_ids(Path(f"{stem}_labelId.png"))[:, 1].tolist() == [200, 9, 9, 200, 200, 0, 0]
    assert read_ids(Path(f"{stem}_trainId.png"))[:, 1].tolist() == [3, 4, 4, 3, 3, 255, 255]
    assert read_ids(Path(f"{stem}_instanceId.png"))[1].tolist() == [200, 9000, 9000, 200, 200]
    assert read_image(Path(f"{stem}_color.png"))[1, 1].tolist() == [64, 80, 96]

    labels.write_text(labels.read_text().replace("9,4,", "9,5,"))
    capsys.readouterr()
    assert generate_gt.main(command) == 0
    assert "1 scene drawn" in capsys.readouterr().out, "another table makes the masks out of date"
    assert generate_gt.main(["--polygons", str(folder)]) == 2
    assert "unknown label 'field'" in capsys.readouterr().err


def test_instance_ids_of_too_many_objects_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = {"label": "car", "polygon": [[0, 0], [4, 0], [4, 5], [0, 5]]}
    path = tmp_path / "a_polygons.json"
    path.write_text(json.dumps({"imgWidth": 5, "imgHeight": 7, "objects": [shape] * 1500}))
    assert generate_gt.main(["--polygons", str(tmp_path), "--instance_ids"]) == 2
    assert f"error: {path}: 1500 objects of car, expected at most 1000 of a label" in capsys.readouterr().err
    assert generate_gt.main(["--polygons", str(tmp_path)]) == 0, "label ids do not depend on the number of objects"


def test_official_masks_without_label_ids_are_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scenes(root)[0].official_mask(root, "labelIds")
    write_png(path, read_ids(scenes(root)[0].official_mask(root, "instanceIds")))
    assert generate_gt.main(["--root", str(root)]) == 2
    assert f"error: {path}: got the id " in (printed := capsys.readouterr()).err
    assert "1 faulty" in printed.out


def test_two_files_for_one_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a_gtFine_polygons.json", "a_polygons.json"):
        (tmp_path / name).write_text('{"imgWidth": 4, "imgHeight": 4, "objects": []}')
    assert generate_gt.main(["--polygons", str(tmp_path)]) == 2
    assert "their masks would have the same names" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_a_folder_without_polygons(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--polygons", str(tmp_path / folder)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_other_sizes(tmp_path: Path) -> None:
    for width, height in ((1, 1), (1, 9), (333, 2), (70, 1000)):
        shape = {"label": "car", "polygon": [[-5, -5], [999, -5], [999, 1999], [-5, 1999]]}
        content = {"imgWidth": width, "imgHeight": height, "objects": [shape]}
        (tmp_path / f"{width}x{height}.json").write_text(json.dumps(content))
    assert generate_gt.main(["--polygons", str(tmp_path), "--workers", "1"]) == 0
    for width, height in ((1, 1), (1, 9), (333, 2), (70, 1000)):
        mask = read_ids(tmp_path / "generated_gt" / f"{width}x{height}_labelId.png")
        assert mask.shape == (height, width)
        assert (mask == 26).all()


def test_every_folder_that_cannot_be_listed_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [root / "gtFine" / "train" / "aachen", root / "gtFine" / "val"]
    with refused(*folders):
        for flags in (["--root", str(root)], ["--root", str(root), "--from_labels"], ["--polygons", str(root)]):
            assert generate_gt.main(flags) == 2
            assert capsys.readouterr().err.splitlines() == [refusal(folder) for folder in folders]
    assert not (root / "generated_gt").exists()


def test_a_pipe_instead_of_a_file_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = scenes(root)
    for path in (first.polygons(root), second.official_mask(root, "labelIds")):
        path.unlink()
        os.mkfifo(path)
    assert generate_gt.main(["--root", str(root), "--workers", "1"]) == 2
    printed = capsys.readouterr().err.splitlines()
    for path, line in zip((first.polygons(root), second.official_mask(root, "labelIds")), printed, strict=True):
        assert line.startswith(f"error: {path}: got a named pipe, expected a file")
    assert generate_gt.main(["--root", str(root), "--from_labels", "--redo", "--workers", "1"]) == 2
    path = second.official_mask(root, "labelIds")
    assert f"error: {path}: got a named pipe, expected a file" in capsys.readouterr().err
