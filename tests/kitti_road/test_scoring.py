import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.images import read_image, write_png
from kitti_road import layout, scoring
from kitti_road.counts import NONE, Pair, count
from kitti_road.measures import scores_of
from tests.conftest import Ending
from tests.unreadable import refused


def blue(root: Path, key: str) -> UInt8Array:
    road: UInt8Array = np.where(read_image(root / f"{key}.png")[..., 2] > 0, 255, 0).astype(np.uint8)
    return road


def ramp(height: int, width: int) -> UInt8Array:
    rows = (510 * np.arange(height) + height - 1) // (2 * (height - 1))
    return np.repeat(rows.astype(np.uint8)[:, None], width, axis=1)


def shifted(road: UInt8Array) -> UInt8Array:
    moved = np.zeros_like(road)
    moved[:, 10:] = road[:, :-10]
    return moved


RECIPES: dict[str, Callable[[Path, str], UInt8Array]] = {
    "perfect": blue,
    "shift10": lambda root, key: shifted(blue(root, key)),
    "inverse": lambda root, key: 255 - blue(root, key),
    "vramp": lambda root, key: ramp(*blue(root, key).shape),
    "mix": lambda root, key: shifted(blue(root, key)) // 2 + ramp(*blue(root, key).shape) // 2,
    "other_gt": lambda root, _: blue(root, "um_road_000001"),
    "all255": lambda root, key: np.full_like(blue(root, key), 255),
    "all128": lambda root, key: np.full_like(blue(root, key), 128),
    "all0": lambda root, key: np.zeros_like(blue(root, key)),
}

ONE, TWO = ["um_road_000000"], ["um_road_000000", "um_road_000001"]
LANES = [f"um_lane_{number:06}" for number in range(11)]
# Results of the official tools: P, N, threshold, TP, FP, MaxF, AP.
OFFICIAL = [
    ("perfect", ONE, None, 61316, 398964, 1, 61316, 0, 0.9999999999499992, 0.9999999999999983),
    ("shift10", ONE, None, 61316, 398964, 1, 59536, 1780, 0.9709700567051691, 0.8948104665999133),
    ("inverse", ONE, None, 61316, 398964, 0, 61316, 398964, 0.23510916492683684, 0.13321456504736243),
    ("vramp", ONE, None, 61316, 398964, 185, 47473, 81695, 0.49844606366773175, 0.38840704601286286),
    ("mix", ONE, None, 61316, 398964, 128, 59536, 1780, 0.9709700567051691, 0.9172407603921823),
    ("other_gt", ONE, None, 61316, 398964, 1, 59112, 10053, 0.9060629516442966, 0.7890667052982656),
    ("all255", ONE, None, 61316, 398964, 0, 61316, 398964, 0.23510916492683684, 0.13321456504736243),
    ("all128", ONE, None, 61316, 398964, 0, 61316, 398964, 0.23510916492683684, 0.13321456504736243),
    ("all0", ONE, None, 61316, 398964, 0, 61316, 398964, 0.23510916492683684, 0.13321456504736243),
    ("mix", TWO, None, 130481, 787077, 188, 126766, 3710, 0.9715470364349378, 0.9170689990949487),
    ("mix", LANES[:1], None, 30843, 429437, 194, 29041, 1750, 0.9423694713456567, 0.8862320580242845),
    ("vramp", LANES, None, 416127, 4612506, 194, 302488, 929391, 0.36709575082723567, 0.248778528230694),
    ("mix", LANES, None, 416127, 4612506, 189, 398106, 17990, 0.9567291458640158, 0.8963301651368863),
    ("perfect", ONE, "um_000051", 78967, 228773, 1, 78967, 0, 0.9999999999499993, 0.9999999999999983),
    ("shift10", ONE, "um_000051", 78967, 228773, 1, 72966, 5278, 0.9282556563608114, 0.8710951328202777),
    ("vramp", ONE, "um_000051", 78967, 228773, 139, 74919, 167364, 0.4664217898461907, 0.3469214207434434),
    ("mix", ONE, "um_000051", 78967, 228773, 196, 72790, 4947, 0.9290126607627449, 0.9049915988018515),
    ("other_gt", ONE, "um_000051", 78967, 228773, 1, 63126, 33855, 0.7175529133112893, 0.5433724504641304),
    ("all255", ONE, "um_000051", 78967, 228773, 0, 78967, 228773, 0.4084073988508913, 0.25660297653863645),
    ("all0", ONE, "um_000051", 78967, 228773, 0, 78967, 228773, 0.4084073988508913, 0.25660297653863645),
    ("perfect", ONE, "um_000000", 82802, 224560, 1, 82802, 0, 0.9999999999499994, 0.9999999999999987),
    ("shift10", ONE, "um_000000", 82802, 224560, 1, 76994, 5510, 0.9315330356534828, 0.8728681171666394),
    ("mix", ONE, "um_000000", 82802, 224560, 128, 76994, 5510, 0.9315330356534828, 0.8991008443254433),
    ("all0", ONE, "um_000000", 82802, 224560, 0, 82802, 224560, 0.4244471555216628, 0.26939569627995646),
    ("mix", TWO, "um_000051", 175948, 439532, 195, 163691, 10592, 0.9347602010744017, 0.9100974872616706),
    ("mix", LANES, "um_000051", 386946, 2909676, 194, 346091, 36966, 0.8989341599467804, 0.844721464742901),
]


@pytest.mark.parametrize(("recipe", "keys", "calibration", "p", "n", "threshold", "tp", "fp", "max_f", "ap"), OFFICIAL)
def test_real_frames_have_the_official_scores(
    real_data: Path, tmp_path: Path, recipe: str, keys: list[str], calibration: str | None,
    p: int, n: int, threshold: int, tp: int, fp: int, max_f: float, ap: float,
) -> None:  # fmt: skip
    folder = real_data / "kitti_road" / "data_road" / "training"
    total = NONE
    for key in keys:
        prediction = tmp_path / f"{key}.png"
        write_png(prediction, RECIPES[recipe](folder / "gt_image_2", key))
        view = folder / "calib" / f"{calibration}.txt" if calibration else None
        total = total.plus(count(Pair(prediction, folder / "gt_image_2" / f"{key}.png", view)))
    scores = scores_of(total)
    assert (total.positives.sum(), total.negatives.sum()) == (p, n)
    assert (scores.threshold, scores.pixels["TP"], scores.pixels["FP"]) == (threshold, tp, fp)
    assert scores.max_f == pytest.approx(max_f, abs=1e-9)
    assert scores.average_precision == pytest.approx(ap, abs=1e-9)


# FN and FP at thresholds 1, 64, 128, 255, counted by the official tools.
CURVES = {
    "mix": ((0, 0, 1780, 61316), (395238, 166710, 1780, 0)),
    "vramp": ((0, 0, 0, 61316), (397722, 282216, 166710, 1242)),
    "other_gt": ((2204,) * 4, (10053,) * 4),
}


@pytest.mark.parametrize("recipe", CURVES)
def test_counts_of_real_frames_are_official_at_every_threshold(real_data: Path, tmp_path: Path, recipe: str) -> None:
    folder = real_data / "kitti_road" / "data_road" / "training" / "gt_image_2"
    write_png(tmp_path / "p.png", RECIPES[recipe](folder, "um_road_000000"))
    counts = count(Pair(tmp_path / "p.png", folder / "um_road_000000.png", None))
    thresholds = [1, 64, 128, 255]
    missed, false_positives = CURVES[recipe]
    assert (61316 - counts.true_positives[thresholds]).tolist() == list(missed)
    assert counts.false_positives[thresholds].tolist() == list(false_positives)


def predict(root: Path, folder: Path, *tasks: str) -> None:
    """Predictions of every training frame: the ground truth, slightly too wide."""
    for task in tasks:
        for path in sorted((root / "training" / "gt_image_2").glob(f"*_{task}_*.png")):
            road = read_image(path)[..., 2]
            write_png(folder / path.name, np.maximum(road, np.roll(road, 3, axis=1) // 2))


@pytest.fixture
def predictions(road_root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "predictions"
    predict(road_root, folder, "road", "lane")
    return folder


def run(predictions: Path, root: Path, *more: object) -> list[str]:
    return ["--predictions", str(predictions), "--root", str(root), "--workers", "1", *map(str, more)]


@pytest.mark.parametrize("space", ["image", "bev"])
@pytest.mark.parametrize("split", ["train", "val", "training"])
def test_all_sets_are_scored(
    predictions: Path, road_root: Path, tmp_path: Path, space: str, split: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scores.json"
    arguments = run(predictions, road_root, "--space", space, "--split", split, "--output", output)
    assert scoring.main(arguments) == 0
    printed = capsys.readouterr()
    content = json.loads(output.read_text())
    assert (content["space"], content["split"]) == (space, split)
    sets = content["sets"]
    assert list(sets) == ["um_road", "umm_road", "uu_road", "urban_road", "um_lane"]
    assert all(0.9 < scores["MaxF"] <= 1 for scores in sets.values())
    assert [line.split()[0] for line in printed.out.splitlines()[3:8]] == [name.upper() for name in sets]
    assert printed.out.splitlines()[9].startswith("not the official frames (um_road ")
    assert printed.out.splitlines()[-1].startswith("next: ")
    others = [
        line for line in printed.err.splitlines() if "not scored, because their frames are not in this split" in line
    ]
    assert printed.err.splitlines() == others
    assert len(others) == (split != "training")


def test_csv_alone_is_on_stdout(predictions: Path, road_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scoring.main(run(predictions, road_root, "--split", "training", "--format", "csv")) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(printed.out.splitlines()))
    result = scoring.score(predictions, road_root, "training")
    assert [float(row["MaxF"]) for row in rows] == [of_set.max_f for of_set in result.scores.values()]
    assert list(result.to_dataframe().columns) == ["benchmark", "MaxF", "AP", "PRE", "REC", "FPR", "FNR"]
    assert "training, in the image" in printed.err
    assert "next: " in printed.err


def test_urban_sums_pixels_at_one_threshold(predictions: Path, road_root: Path) -> None:
    for path in predictions.glob("umm_road_*.png"):  # best at another threshold than the others
        write_png(path, read_image(path)[..., 0] // 9)
    scores = scoring.score(predictions, road_root, "training").scores
    parts = [scores[f"{category}_road"] for category in ("um", "umm", "uu")]
    urban = scores["urban_road"]
    assert sum(urban.pixels.values()) == sum(sum(part.pixels.values()) for part in parts)
    assert urban.max_f < sum(part.max_f for part in parts) / 3


def test_the_number_of_processes_changes_nothing(predictions: Path, road_root: Path) -> None:
    one, two = (scoring.score(predictions, road_root, "val", space="bev", workers=workers) for workers in (1, 2))
    assert one == two


def test_a_set_with_a_missing_prediction_is_not_scored_and_the_others_are(
    predictions: Path, road_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 3):
        (predictions / f"umm_road_{number:06}.png").unlink()
    assert scoring.main(run(predictions, road_root, "--split", "training")) == 2
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[3:6]] == ["UM_ROAD", "UU_ROAD", "UM_LANE"]
    for number in (2, 3):
        assert f"error: {predictions / f'umm_road_{number:06}.png'}: no such file" in printed.err
    assert "umm_road: not scored" in printed.err


def test_a_task_that_was_not_predicted_is_only_noted(
    road_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(road_root, tmp_path / "lanes", "lane")
    assert scoring.main(run(tmp_path / "lanes", road_root)) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[3:4]] == ["UM_LANE"]
    assert printed.out.splitlines()[4:6] == [
        "",
        "not the official frames (um_lane 2 of 19): do not compare these scores with published ones",
    ]
    assert "note: um_road: not scored, because none of its" in printed.err


def test_every_bad_file_is_named(predictions: Path, road_root: Path, error_of: Ending) -> None:
    write_png(predictions / "um_road_000000.png", np.zeros((64, 96), np.uint16))
    write_png(predictions / "um_road_000001.png", np.zeros((61, 90, 3), np.uint8))
    write_png(predictions / "um_road_000002.png", np.zeros((800, 400), np.uint8))
    write_png(predictions / "um_road_000003.png", np.zeros((10, 20), np.uint8))
    (predictions / "um_road_000004.png").write_bytes(b"no image")
    swapped = road_root / "training" / "gt_image_2" / "um_road_000005.png"
    write_png(swapped, read_image(swapped)[..., ::-1].copy())
    grey = road_root / "training" / "gt_image_2" / "um_lane_000005.png"
    write_png(grey, np.zeros((66, 101), np.uint8))
    message = error_of(scoring.main, *run(predictions, road_root, "--split", "training"))
    for expected in (
        "um_road_000000.png: got an image of mode I;16 (16 bits per pixel), expected one channel with 8 bits",
        "um_road_000001.png: got an image of mode RGB, expected one channel with 8 bits",
        "um_road_000002.png: got 400 x 800 pixels, expected 101 x 66",
        "this is a bird's-eye view",
        "um_road_000003.png: got 20 x 10 pixels, expected 96 x 64",
        "um_road_000004.png: the file (8 bytes) is not an image",
        "um_road_000005.png: ",
        "red and blue are swapped",
        "um_lane_000005.png: got an image of mode L, expected 8-bit RGB",
    ):
        assert expected in message
    assert message.count("not scored because of the errors above") == 2


def test_the_birds_eye_view_needs_every_calibration(predictions: Path, road_root: Path, error_of: Ending) -> None:
    lost = [road_root / "training" / "calib" / f"{name}.txt" for name in ("um_000001", "uu_000004")]
    for path in lost:
        path.unlink()
    assert scoring.main(run(predictions, road_root, "--split", "training")) == 0
    message = error_of(scoring.main, *run(predictions, road_root, "--split", "training", "--space", "bev"))
    for path in lost:
        assert f"{path}: no such file, but the bird's-eye view needs the calibration" in message


def test_ground_truth_without_road_has_no_score(
    predictions: Path, road_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (road_root / "training" / "gt_image_2").glob("um_lane_*.png"):
        pixels = read_image(path).copy()
        pixels[..., 2] = 0
        write_png(path, pixels)
    output = tmp_path / "scores.json"
    assert scoring.main(run(predictions, road_root, "--output", output)) == 0
    printed = capsys.readouterr()
    assert "note: um_lane: no pixel of the ground truth is lane" in printed.err
    assert json.loads(output.read_text())["sets"]["um_lane"]["MaxF"] is None


def test_nothing_to_score_is_an_error(predictions: Path, road_root: Path, tmp_path: Path, error_of: Ending) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no such folder" in error_of(scoring.main, *run(tmp_path / "none", road_root))
    assert "expected files such as um_road_" in error_of(scoring.main, *run(empty, road_root))
    assert "unpack data_road.zip" in error_of(scoring.main, *run(predictions, tmp_path / "none"))
    assert f"give --root {road_root}" in error_of(scoring.main, *run(predictions, road_root.parent))
    (empty / "training").mkdir()
    assert "no ground truth of road or lane" in error_of(scoring.main, *run(predictions, empty))
    assert "is a folder" in error_of(scoring.main, *run(predictions, road_root, "--output", empty))


def test_every_value_above_0_counts_as_set(road_root: Path, predictions: Path) -> None:
    path = road_root / "training" / "gt_image_2" / "um_road_000000.png"
    before = count(Pair(predictions / path.name, path, None))
    write_png(path, read_image(path) // 255 * np.array([3, 0, 7], np.uint8))
    after = count(Pair(predictions / path.name, path, None))
    assert (before.positives == after.positives).all()
    assert (before.negatives == after.negatives).all()


@pytest.mark.parametrize("folder", ["image_2", "gt_image_2"])
def test_a_folder_that_cannot_be_listed(folder: str, road_root: Path) -> None:
    listing = layout.pictured_frames if folder == "image_2" else layout.labelled_frames
    with refused(road_root / "training" / folder), pytest.raises(InputError, match="cannot list this folder"):
        listing(road_root, "val", "road")


def test_ground_truth_without_any_road_is_an_error(predictions: Path, road_root: Path, error_of: Ending) -> None:
    for path in (road_root / "training" / "gt_image_2").glob("*.png"):
        pixels = read_image(path).copy()
        pixels[..., 2] = 0
        write_png(path, pixels)
    truths = road_root / "training" / "gt_image_2"
    assert error_of(scoring.main, *run(predictions, road_root)).endswith(
        f"error: {truths}: no pixel of the ground truth of val is road or lane in any of um_road, umm_road, uu_road, "
        "um_lane; unpack data_road.zip again\n"
    )
