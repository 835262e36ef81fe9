import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.files.archives import write_zip
from engine.files.images import image_size, read_ids, write_png
from kitti_road import completeness, submission
from kitti_road.birds_eye import homography, lookup, warp
from kitti_road.layout import TEST_IMAGES
from tests.conftest import Ending


@pytest.fixture
def predictions(road_root: Path, tmp_path: Path) -> Path:
    """Confidences of every test image, for road and lane."""
    folder = tmp_path / "predictions"
    random = np.random.default_rng(0)
    for path in sorted((road_root / "testing" / "image_2").glob("*.png")):
        width, height = image_size(path)
        category, _, number = path.stem.partition("_")
        for task in ("road", "lane") if category == "um" else ("road",):
            write_png(folder / f"{category}_{task}_{number}.png", random.integers(0, 256, (height, width), np.uint8))
    return folder


def png(size: tuple[int, int] = (400, 800), mode: str = "L") -> bytes:
    content = BytesIO()
    Image.new(mode, size).save(content, format="PNG")
    return content.getvalue()


def test_the_zip_contains_the_birds_eye_view_of_every_prediction(
    predictions: Path, road_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "out" / "s.zip"
    assert submission.main(["pack", str(predictions), str(archive), "--root", str(road_root), "--workers", "1"]) == 1
    printed = capsys.readouterr()
    assert "8 predictions (um_lane 2, um_road 2, umm_road 2, uu_road 2)" in printed.out
    assert "--subset accepts that" in printed.err
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == sorted(path.name for path in predictions.iterdir())
        for name in packed.namelist():
            (tmp_path / name).write_bytes(packed.read(name))
            pixels = read_ids(predictions / name)
            stem = name.replace("_road", "").replace("_lane", "").removesuffix(".png")
            plane = homography(road_root / "testing" / "calib" / f"{stem}.txt")
            expected = warp(pixels.astype(np.uint8), lookup(plane, pixels.shape[1], pixels.shape[0]))
            assert (read_ids(tmp_path / name) == expected).all()
    for path in (archive, predictions):
        assert submission.main(["check", str(path), "--root", str(road_root)]) == 0


@pytest.mark.parametrize(
    ("test_images", "smallest", "deviation"),
    [
        ({"um": 2, "umm": 2, "uu": 2}, (90, 61), ""),
        (
            {"um": 3, "umm": 2, "uu": 2},
            (90, 61),
            "got 2 images of um_lane, expected 3; got 2 images of um_road, expected 3",
        ),
        ({"um": 2, "umm": 2, "uu": 2}, (95, 61), "got 2 images of 90 x 61, expected 95 x 61 to 101 x 66"),
    ],
    ids=["official", "half-complete", "shrunk"],
)
def test_only_the_official_test_set_is_for_the_server(
    test_images: dict[str, int],
    smallest: tuple[int, int],
    deviation: str,
    predictions: Path,
    road_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(completeness, "TEST_IMAGES", test_images)
    monkeypatch.setattr(completeness, "SMALLEST", smallest)
    monkeypatch.setattr(completeness, "LARGEST", (101, 66))
    archive = tmp_path / "s.zip"
    for action, code in (
        (["check", predictions], 0),
        (["pack", predictions, archive, "--workers", "1"], 1 if deviation else 0),
        (["pack", predictions, archive, "--workers", "1", "--subset"], 0),
        (["check", archive], 0),
    ):
        assert submission.main([*map(str, action), "--root", str(road_root)]) == code
        printed = capsys.readouterr()
        first, *_, last = printed.out.splitlines()
        assert first.startswith("not for the server: 8 predictions (" if deviation else "ok: 8 predictions (")
        assert first.endswith(f"; these are not all of the official test images: {deviation}" if deviation else ")")
        assert last.startswith("next: ")
        assert ("upload" in printed.out + printed.err) == (not deviation and action != ["check", predictions])
        assert ("--subset accepts that" in printed.err) == bool(code)


def test_the_same_files_give_the_same_zip(predictions: Path, road_root: Path, tmp_path: Path) -> None:
    archives = [tmp_path / "1.zip", tmp_path / "2.zip"]
    for workers, archive in enumerate(archives, 1):
        submission.pack(predictions, archive, road_root, workers=workers)
        (predictions / "um_road_000000.png").touch()
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_every_fault_of_a_folder_is_reported(
    predictions: Path, road_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    write_png(predictions / "um_lane_000000.png", np.zeros((800, 400), np.uint8))
    write_png(predictions / "um_lane_000001.png", np.zeros((61, 90), np.uint16))
    write_png(predictions / "umm_road_000001.png", np.zeros((5, 6, 3), np.uint8))
    (predictions / "um_road_000001.png").unlink()
    write_png(predictions / "um_road_000007.png", np.zeros((5, 6), np.uint8))
    write_png(predictions / "um_000000.png", np.zeros((5, 6), np.uint8))
    (predictions / "notes.txt").touch()
    (road_root / "testing" / "calib" / "uu_000001.txt").unlink()
    archive = tmp_path / "s.zip"
    for action in (("check", predictions), ("pack", predictions, archive)):
        message = error_of(submission.main, *action, "--root", road_root)
        for expected in (
            "um_lane_000000.png: got 400 x 800 pixels, expected 96 x 64",
            "um_lane_000001.png: got an image of mode I;16 (16 bits per pixel)",
            "umm_road_000001.png: got an image of mode RGB",
            "missing: got no prediction for 1 test image, although their sets have others (um_road_000001.png)",
            "not in the test set: got 1 prediction for images outside the test set (um_road_000007.png)",
            "name: got 1 PNG in a folder, or not named <category>_<task>_<6 digits>.png (um_000000.png)",
            "uu_000001.txt: no such file",
        ):
            assert expected in message
    assert not archive.exists()


def test_whole_sets_may_be_left_out(
    predictions: Path, road_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = ["pack", str(predictions), str(tmp_path / "s.zip"), "--root", str(road_root), "--workers", "1", "--subset"]
    for pattern, absent in (("um_lane_*.png", None), ("um_road_*.png", "um_road")):
        for path in predictions.glob(pattern):
            path.unlink()
        assert submission.main(pack) == 0
        said = capsys.readouterr().err
        assert (f"not submitted: got no predictions for {absent};" in said) == bool(absent)
        assert "um_lane" not in said


def test_a_whole_submission_passes_without_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = png()
    names = [f"{category}_road_{number:06}.png" for category, total in TEST_IMAGES.items() for number in range(total)]
    write_zip(tmp_path / "s.zip", dict.fromkeys(names, view).items())
    assert len(names) == 290
    assert submission.main(["check", str(tmp_path / "s.zip")]) == 0
    assert "ok: 290 predictions (um_road 96, umm_road 94, uu_road 100)" in capsys.readouterr().out


def test_every_fault_of_a_zip_is_reported(tmp_path: Path, error_of: Ending) -> None:
    files = {f"umm_road_{number:06}.png": png() for number in range(93)}
    files["umm_road_000000.png"] = png(mode="RGB")
    files["umm_road_000001.png"] = png((1242, 375))
    files["umm_road_000002.png"] = png()[:40]
    files["folder/umm_road_000093.png"] = png()
    files["umm_road_000094.png"] = png()
    files["umm_road_000003.png"] = png(mode="I;16")
    write_zip(tmp_path / "s.zip", files.items())
    message = error_of(submission.main, "check", tmp_path / "s.zip")
    for expected in (
        "format: got 2 files in another format, expected an 8-bit PNG with one channel of confidences "
        "(umm_road_000000.png: RGB, umm_road_000003.png: I;16)",
        "size: got 1 file of a different size, expected bird's-eye views of 400 x 800 "
        "(umm_road_000001.png: 1242 x 375)",
        "damaged: got 1 file that cannot be read as PNG (umm_road_000002.png",
        "(folder/umm_road_000093.png)",
        "missing: got no prediction for 1 test image, although their sets have others (umm_road_000093.png)",
        "not in the test set: got 1 prediction for images outside the test set (umm_road_000094.png)",
    ):
        assert expected in message


def test_paths_that_cannot_be_checked_are_refused(
    road_root: Path, predictions: Path, tmp_path: Path, error_of: Ending
) -> None:
    (tmp_path / "s.zip").write_bytes(b"no zip")
    (tmp_path / "empty").mkdir()
    assert "not a complete zip" in error_of(submission.main, "check", tmp_path / "s.zip")
    assert "no such folder or zip" in error_of(submission.main, "check", tmp_path / "none")
    assert "give data_road as --root" in error_of(submission.main, "check", predictions)
    assert "no predictions" in error_of(submission.main, "check", tmp_path / "empty", "--root", road_root)
    assert "no such folder" in error_of(submission.main, "pack", tmp_path / "no", tmp_path / "a.zip")
    assert "ending in .zip" in error_of(submission.main, "pack", predictions, tmp_path / "a.tar", "--root", road_root)
    (road_root / "testing" / "image_2").rename(road_root / "away")
    assert "no test images" in error_of(submission.main, "check", predictions, "--root", road_root)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_a_fault(tmp_path: Path, error_of: Ending) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as packed:
        for _ in range(2):
            packed.writestr("um_lane_000000.png", png())
    assert "duplicates: got 1 name more than once" in error_of(submission.main, "check", tmp_path / "s.zip")
