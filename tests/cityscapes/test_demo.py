import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cityscapes.demo import MARKER, DemoOptions, draw_dataset, main
from cityscapes.ground_truth import polygons
from cityscapes.labels import CLASSES, VOID, find
from cityscapes.layout import SPLITS, Scene, frame_of, scenes_with_image, scenes_with_label_ids, scenes_with_polygons
from engine.errors import InputError

USUAL = DemoOptions(train=6, val=4, test=2)
TINY = DemoOptions(width=64, height=32, train=2, val=1, test=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    draw_dataset(folder, USUAL)
    return folder


def contents(root: Path) -> dict[str, bytes]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def annotated(root: Path) -> list[Scene]:
    return [scene for split in ("train", "val") for scene in scenes_with_polygons(root, split)]


def objects(root: Path, scene: Scene) -> list[dict[str, Any]]:
    return list(json.loads(scene.polygons(root).read_text())["objects"])


def test_the_layout_is_that_of_the_real_set(root: Path) -> None:
    for split in SPLITS:
        scenes = scenes_with_image(root, split)
        assert len(scenes) == getattr(USUAL, split)
        assert scenes_with_polygons(root, split) == scenes
        assert scenes_with_label_ids(root, split) == ([] if split == "test" else scenes)
        assert all(frame_of(scene.stem) == scene.stem and scene.stem.startswith(scene.city) for scene in scenes)
        assert len({scene.city for scene in scenes}) == 2
    assert len(contents(root)) == 12 * 2 + 10 * 2 + 1


def test_the_images_have_the_size_and_format_of_the_real_ones(root: Path) -> None:
    for scene in annotated(root):
        kinds = {scene.image(root): "RGB", scene.official_mask(root, "labelIds"): "L"}
        for path, mode in (kinds | {scene.official_mask(root, "instanceIds"): "I;16"}).items():
            with Image.open(path) as image:
                assert (image.format, image.mode, image.size) == ("PNG", mode, (256, 128))


def test_the_masks_are_those_of_the_polygons(root: Path) -> None:
    for scene in annotated(root):
        masks = polygons.draw(polygons.read(scene.polygons(root)))
        with Image.open(scene.official_mask(root, "labelIds")) as image:
            assert np.array_equal(np.asarray(image), masks.label_ids)
        with Image.open(scene.official_mask(root, "instanceIds")) as image:
            assert np.array_equal(np.asarray(image), masks.instance_ids)


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_class_is_there_to_be_scored(root: Path, split: str) -> None:
    scenes = scenes_with_polygons(root, split)
    train_ids = [polygons.draw(polygons.read(scene.polygons(root))).train_ids for scene in scenes]
    share = np.bincount(np.stack(train_ids).ravel(), minlength=256) / np.stack(train_ids).size
    assert [name for name, part in zip(CLASSES.names, share, strict=False) if part < 0.005] == []
    assert 0.02 < share[VOID] < 0.15


@pytest.mark.parametrize(
    "label",
    [
        *("cargroup", "persongroup", "polegroup", "license plate", "ego vehicle", "out of roi"),
        *("rectification border", "static", "dynamic", "ground", "parking"),
    ],
)
def test_awkward_labels_are_there(root: Path, label: str) -> None:
    assert any(entry["label"] == label for scene in annotated(root) for entry in objects(root, scene))


def test_every_scene_has_deleted_objects_and_polygons_beyond_the_border(root: Path) -> None:
    for scene in annotated(root):
        assert any(entry.get("deleted") for entry in objects(root, scene))
        x = [x for entry in objects(root, scene) for x, _ in entry["polygon"]]
        assert all(isinstance(value, int) for value in x)
        assert min(x) < 0
        assert max(x) > 256


def test_every_scene_has_unlabelled_pixels_and_hidden_objects(root: Path) -> None:
    for scene in annotated(root):
        annotation = polygons.read(scene.polygons(root))
        masks = polygons.draw(annotation)
        assert (masks.label_ids == 0).sum() > 20
        people = [name for name, _ in annotation.shapes if name == "person"]
        seen = np.unique(masks.instance_ids[masks.instance_ids // 1000 == find("person")[0].id])
        assert 0 < len(seen) < len(people)


def test_groups_and_single_objects_share_a_class(root: Path) -> None:
    ids = np.concatenate(
        [polygons.draw(polygons.read(scene.polygons(root))).instance_ids.ravel() for scene in annotated(root)]
    )
    for name in ("car", "person"):
        label_id = find(name)[0].id
        assert (ids == label_id).any()  # a group
        assert (ids // 1000 == label_id).any()


def test_the_test_split_has_dummy_annotations(root: Path) -> None:
    for scene in scenes_with_polygons(root, "test"):
        names = {entry["label"] for entry in objects(root, scene)}
        assert names == {"ego vehicle", "rectification border", "out of roi"}


def test_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        draw_dataset(tmp_path / name, TINY, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "again") == contents(tmp_path / "two")


def test_scenes_differ_by_seed_split_and_number(tmp_path: Path) -> None:
    for seed in (0, 1):
        draw_dataset(tmp_path / str(seed), DemoOptions(64, 32, train=2, val=2, test=0, seed=seed))
    images = [path.read_bytes() for path in tmp_path.rglob("*_leftImg8bit.png")]
    assert len(set(images)) == len(images) == 8


def test_a_second_run_repairs_the_set(tmp_path: Path) -> None:
    draw_dataset(tmp_path, TINY)
    before = contents(tmp_path)
    scene = scenes_with_image(tmp_path, "train")[0]
    scene.image(tmp_path).write_bytes(b"half")
    scene.polygons(tmp_path).unlink()
    draw_dataset(tmp_path, TINY)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("folder", ["leftImg8bit", "gtFine"])
def test_a_folder_with_other_images_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match=r"not drawn by this command.*another --root"):
        draw_dataset(tmp_path, TINY)
    assert [path.name for path in tmp_path.rglob("*")] == [folder]


def test_a_demo_of_other_options_is_refused(tmp_path: Path) -> None:
    draw_dataset(tmp_path, TINY)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"seed=0, asked for .* seed=1"):
        draw_dataset(tmp_path, DemoOptions(width=64, height=32, train=2, val=1, test=1, seed=1))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_marker_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKER).write_text(content)
    with pytest.raises(InputError, match=MARKER):
        draw_dataset(tmp_path, TINY)


@pytest.mark.parametrize(
    "flags",
    [
        ["--size", "10x20"],
        ["--size", "32x9999"],
        ["--size", "large"],
        ["--size", "256"],
        ["--seed=-3"],
    ],
)
def test_bad_options_end_with_code_2(tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path / "set"), *flags]) == 2
    assert re.match(f"error: {flags[0].split('=')[0]}( [^:]*)?: expected", capsys.readouterr().err)
    assert not (tmp_path / "set").exists()


def test_a_number_of_images_below_zero_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--root", str(tmp_path / "set"), "--val", "-1"])
    assert capsys.readouterr().err.startswith("error: argument --val: got '-1', expected at least 0")
    assert not (tmp_path / "set").exists()


def test_the_command_says_what_to_type_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--size", "32x64", "--train", "1", "--val", "1", "--test", "0", "--workers", "1"]
    assert main(["--root", str(tmp_path), *flags]) == 0
    assert capsys.readouterr().out.endswith(f"next: python generate_gt.py --root {tmp_path}\n")
