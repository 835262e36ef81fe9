import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import catalogue
import test_fcn
import train_fcn
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from kitti_road.dataset import KittiRoadBenchmark
from kitti_road.layout import TEST_IMAGES, Frame, is_validation
from tests.conftest import Ending

ROAD, LANE = KittiRoadBenchmark("road"), KittiRoadBenchmark("lane")
TRAINING_IMAGES = {"um": 95, "umm": 96, "uu": 98}


def test_the_catalogue_has_both() -> None:
    assert [catalogue.benchmark(name).name for name in ("kitti_road", "kitti_lane")] == ["kitti_road", "kitti_lane"]
    assert catalogue.benchmark("kitti_lane").classes.names == ("background", "lane")
    with pytest.raises(InputError, match="expected road or lane"):
        KittiRoadBenchmark("street")


def test_certain_predictions_have_the_colours_of_the_classes() -> None:
    for benchmark in (ROAD, LANE):
        colors = benchmark.prediction_colors[benchmark.prediction_ids[:2]]
        assert [tuple(color) for color in colors.tolist()] == list(benchmark.classes.colors)


def test_a_fifth_of_the_official_frames_is_val() -> None:
    held_back = {
        name: [number for number in range(total) if is_validation(Frame("training", name, f"{number:06}"))]
        for name, total in TRAINING_IMAGES.items()
    }
    assert {name: len(numbers) for name, numbers in held_back.items()} == {"um": 19, "umm": 19, "uu": 20}
    # Documented, and must never change, because scores would no longer be comparable.
    assert held_back["um"][:6] == [0, 5, 11, 15, 20, 28]
    assert held_back["umm"][:6] == [0, 7, 11, 18, 20, 27]
    assert held_back["uu"][:6] == [1, 9, 12, 16, 20, 25]


def test_each_category_can_be_submitted_alone(road_root: Path) -> None:
    assert [sample.name for sample in ROAD.samples(road_root, "test_umm")] == ["umm_road_000000", "umm_road_000001"]
    assert {"test", "test_um", "test_umm", "test_uu"} == set(ROAD.hidden_splits)
    assert LANE.splits == ("train", "val", "test"), "it has one category only"


@pytest.mark.parametrize("benchmark", [ROAD, LANE], ids=["road", "lane"])
def test_splits_are_disjoint_and_complete(benchmark: KittiRoadBenchmark, road_root: Path) -> None:
    train, val = ([sample.name for sample in benchmark.samples(road_root, split)] for split in ("train", "val"))
    categories = ("um", "umm", "uu") if benchmark.task == "road" else ("um",)
    expected = [f"{category}_{benchmark.task}_{number:06}" for category in categories for number in range(6)]
    assert sorted(train + val) == expected
    assert train == sorted(train)


def test_samples_of_the_test_split_have_no_mask(road_root: Path) -> None:
    samples = LANE.samples(road_root, "test")
    assert [(sample.name, sample.image.name, sample.mask) for sample in samples] == [
        ("um_lane_000000", "um_000000.png", None),
        ("um_lane_000001", "um_000001.png", None),
    ]
    assert len(ROAD.samples(road_root, "test")) == 3 * 2
    assert TEST_IMAGES == {"um": 96, "umm": 94, "uu": 100}


def test_red_is_inside_and_blue_is_road(tmp_path: Path) -> None:
    pixels = np.array([[(255, 0, 255), (255, 0, 0), (0, 0, 0)], [(1, 9, 1), (1, 9, 0), (0, 9, 9)]], np.uint8)
    write_png(tmp_path / "t.png", pixels)
    assert ROAD.read_mask(tmp_path / "t.png").tolist() == [[1, 0, 255], [1, 0, 255]]
    assert ROAD.mask_size(tmp_path / "t.png") == (3, 2)


def test_images_without_ground_truth_are_left_out_with_a_warning(
    road_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = road_root / "training" / "gt_image_2"
    for path in truths.glob("*_road_00000[1234].png"):
        path.unlink()
    samples = [*ROAD.samples(road_root, "train"), *ROAD.samples(road_root, "val")]
    assert len(samples) == 6
    assert "images of the train split have no ground truth of the road and are left out" in capsys.readouterr().err
    for path in truths.glob("*_road_*.png"):
        path.unlink()
    with pytest.raises(InputError, match="no ground truth of the road"):
        ROAD.samples(road_root, "val")
    assert LANE.samples(road_root, "val")


def test_a_ground_truth_without_its_image_is_an_error(road_root: Path) -> None:
    for name in ("um_000000", "uu_000001"):
        (road_root / "training" / "image_2" / f"{name}.png").unlink()
    with pytest.raises(InputError) as caught:
        ROAD.samples(road_root, "val")
    assert [Path(message.partition(":")[0]).stem for message in caught.value.messages] == ["um_000000", "uu_000001"]


def test_a_folder_without_images_is_an_error(road_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unpack data_road\.zip"):
        ROAD.samples(tmp_path / "none", "train")
    with pytest.raises(InputError, match="; give --root"):
        ROAD.samples(road_root.parent, "train")
    (road_root / "testing" / "image_2").rename(road_root / "away")
    with pytest.raises(InputError, match="no image of the test split"):
        ROAD.samples(road_root, "test")


@pytest.mark.parametrize("task", ["road", "lane"])
def test_the_commands_train_score_and_pack(
    task: str, road_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    which = ["--benchmark", f"kitti_{task}", "--root", str(road_root), "--accelerator", "cpu"]
    training = "--network bench.tiny:build --curves none --epochs 1 --batch_size 2 --crop_size 64 --workers 0 --name r"
    assert train_fcn.main([*which, *training.split(), "--saved", str(tmp_path / "saved")]) == 0
    using = [*which, "--model_weights_path", str(tmp_path / "saved" / "r" / "best.pth"), "--workers", "1"]
    using += ["--profile_images", "0", "--output", str(tmp_path / "outputs")]

    assert test_fcn.main([*using, "--split", "val"]) == 0
    content = json.loads((tmp_path / "outputs" / "r" / "val" / "scores.json").read_text())
    sets = ["um_road", "umm_road", "uu_road", "urban_road"] if task == "road" else ["um_lane"]
    assert list(content["image"]["sets"]) == list(content["bev"]["sets"]) == sets
    predictions = tmp_path / "outputs" / "r" / "val" / "predictions"
    assert {path.stem for path in predictions.iterdir()} == {
        sample.name for sample in catalogue.benchmark(f"kitti_{task}").samples(road_root, "val")
    }
    assert len(np.unique(read_ids(predictions / f"um_{task}_000000.png"))) > 2

    assert test_fcn.main([*using, "--split", "test"]) == 0
    with zipfile.ZipFile(tmp_path / "outputs" / "r" / "test" / "submission.zip") as packed:
        categories = ("um", "umm", "uu") if task == "road" else ("um",)
        assert packed.namelist() == [f"{name}_{task}_{number:06}.png" for name in categories for number in range(2)]
    assert "as bird's-eye views" in capsys.readouterr().out


def test_the_commands_report_bad_files(road_root: Path, tmp_path: Path, error_of: Ending) -> None:
    root = road_root / "training"
    write_png(root / "gt_image_2" / "um_lane_000001.png", np.zeros((5, 6, 3), np.uint8))
    which = ["--benchmark", "kitti_lane", "--root", road_root, "--saved", tmp_path / "s", "--backbone_weights", "none"]
    message = error_of(train_fcn.main, *which)
    assert "um_lane_000001.png: the mask is 6 x 5, its image 90 x 61" in message
    for path in (root / "gt_image_2").glob("um_lane_*.png"):
        path.unlink()
    assert "no ground truth of the lane" in error_of(train_fcn.main, *which)


def test_without_a_calibration_only_the_image_is_scored(road_root: Path, tmp_path: Path) -> None:
    for sample in LANE.samples(road_root, "val"):
        write_png(tmp_path / "p" / f"{sample.name}.png", LANE.read_mask(sample.mask or Path()))
    contents, _ = LANE.score(tmp_path / "p", road_root, "val", 1)
    assert list(contents) == ["image", "bev"]
    (road_root / "training" / "calib" / "um_000000.txt").unlink()
    contents, table = LANE.score(tmp_path / "p", road_root, "val", 1)
    assert list(contents) == ["image"]
    assert "no bird's-eye view: 1 of 2 calibrations are missing" in table
