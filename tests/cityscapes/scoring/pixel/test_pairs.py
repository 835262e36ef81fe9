"""Error messages of scoring for input that it must refuse."""

import math
from pathlib import Path

import numpy as np
import pytest

from cityscapes.scoring import main, score, scores_of
from cityscapes.scoring.pixel.counts import count, read
from cityscapes.scoring.scene_files import AGAIN
from engine.errors import InputError
from engine.files.images import write_png
from tests.cityscapes.drawn_predictions import Folder, fault_lines
from tests.unreadable import refusal, refused


def test_every_missing_prediction_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [folder.add(number) for number in range(3)]
    pairs[0].prediction.unlink()
    pairs[2].prediction.unlink()
    assert fault_lines(folder, capsys) == [
        f"{folder.predictions}: no prediction of 2 scenes (ulm_000000_000019, ulm_000002_000019); "
        "predict every scene of the val split"
    ]


def test_predictions_of_other_scenes_are_noticed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    train = folder.add(1, split="train")
    pair.prediction.unlink()
    assert fault_lines(folder, capsys)[1:] == [
        f"{train.prediction}: does not belong to a scene of the val split; choose the split that was predicted, "
        "and start file names with <city>_<6 digits>_<6 digits>"
    ]
    train.prediction.rename(folder.predictions / "0001.png")
    assert "0001.png: does not belong to a scene" in fault_lines(folder, capsys)[1]


def test_several_predictions_for_a_scene_are_listed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add()
    write_png(folder.predictions / "color/ulm_000000_000019_color.png", np.zeros((4, 4, 3), np.uint8))
    assert fault_lines(folder, capsys) == [
        f"{folder.predictions}: several predictions of 1 scene (color/ulm_000000_000019_color.png and "
        "ulm_000000_000019_labelId_preds.png); keep one of each scene"
    ]


def test_hundreds_of_scenes_with_several_predictions_are_one_message(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        pair = folder.add(number)
        for name in "abcd":
            (folder.predictions / f"{pair.stem}_{name}.png").write_bytes(pair.prediction.read_bytes())
    (line,) = fault_lines(folder, capsys)
    assert "several predictions of 30 scenes (ulm_000000_000019_a.png and ulm_000000_000019_b.png and 3 more" in line
    assert line.endswith(" and 26 more); keep one of each scene")


@pytest.mark.parametrize(
    ("city", "split", "remedy"),
    [("frankfurt", "val", "give --split val"), ("berlin", "test", "predict the train split")],
)
def test_predictions_of_another_split_are_named(
    folder: Folder, capsys: pytest.CaptureFixture[str], city: str, split: str, remedy: str
) -> None:
    prediction = folder.add(split="train").prediction
    other = f"{city}_000000_000294"
    prediction.rename(folder.predictions / f"{other}.png")
    assert fault_lines(folder, capsys, "--split", "train") == [
        f"{folder.predictions}: predictions of the {split} split (for example {other}), expected the train split; "
        f"{remedy}"
    ]


def test_a_missing_instance_mask_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    pair.instance_ids.unlink()
    (line,) = fault_lines(folder, capsys)
    assert line == f"{pair.instance_ids}: no such file; {AGAIN}"


@pytest.mark.parametrize(
    ("split", "remedy"), [("train", "unpack gtFine_trainvaltest.zip"), ("test", "upload the predictions to the server")]
)
def test_a_split_without_masks_is_refused(
    folder: Folder, capsys: pytest.CaptureFixture[str], split: str, remedy: str
) -> None:
    folder.add()
    (line,) = fault_lines(folder, capsys, "--split", split)
    assert line.startswith(f"{folder.root}/gtFine/{split}/*/*_gtFine_labelIds.png: no such masks; ")
    assert remedy in line


def test_the_dummy_masks_of_the_test_split_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(split="test", labels=[1, 2, 3])
    (line,) = fault_lines(folder, capsys, "--split", "test")
    assert line.startswith(f"{folder.root}: no pixel of the test masks has a scored label; ")
    assert "upload the predictions to the server" in line


def test_a_folder_that_is_not_a_root_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{folder.root}: no such folder" in fault_lines(folder, capsys)[0]


def test_a_missing_predictions_folder_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add().prediction.unlink()
    assert f"{folder.predictions}: no PNG file in it" in fault_lines(folder, capsys)[0]
    folder.predictions.rmdir()
    assert f"{folder.predictions}: no such folder" in fault_lines(folder, capsys)[0]


def test_faults_of_all_kinds_are_reported_together(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [folder.add(number) for number in range(4)]
    pairs[0].prediction.write_bytes(b"no image")
    write_png(pairs[1].prediction, np.full((30, 41), 99, np.uint8))
    pairs[2].prediction.unlink()
    pairs[3].instance_ids.unlink()
    lines = fault_lines(folder, capsys)
    for text in ("no prediction of", "instanceIds.png: no such file", "is not an image", "id 99 on 1230 pixels"):
        assert sum(text in line for line in lines) == 1, text
    assert len(lines) == 4


@pytest.mark.parametrize(("number", "shown"), [(10, 10), (11, 5)])
def test_many_faults_of_a_kind_are_cut_short(
    folder: Folder, capsys: pytest.CaptureFixture[str], number: int, shown: int
) -> None:
    folder.add(99)
    for scene in range(number):
        folder.add(scene).instance_ids.unlink()
    lines = fault_lines(folder, capsys)
    assert [line.split("_gtFine")[0][-17:] for line in lines[:shown]] == [
        f"ulm_{scene:06}_000019" for scene in range(shown)
    ]
    rest = [f"and {number - shown} more like these; {AGAIN}"]
    assert lines[shown:] == (rest if shown < number else [])


def test_an_output_that_cannot_be_written_is_refused_first(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = fault_lines(folder, capsys, "--output", str(tmp_path))
    assert line.startswith(f"--output {tmp_path}: is a folder; ")
    (tmp_path / "file").touch()
    (line,) = fault_lines(folder, capsys, "--output", str(tmp_path / "file/scores.json"))
    assert line.startswith(f"{tmp_path / 'file'}: cannot write here")


def test_a_name_that_is_too_long_is_refused_before_the_work(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"{'x' * 246}.json"
    folder.add().prediction.write_bytes(b"is not read")
    assert fault_lines(folder, capsys, "--output", str(output)) == [
        f"{output}: cannot write it (File name too long); give another name"
    ]


def test_files_of_a_killed_scoring_are_removed(folder: Folder, tmp_path: Path) -> None:
    folder.add()
    left = tmp_path / ".scores.json.999999999.part"
    left.touch()
    assert main(folder.argv("--output", str(tmp_path / "scores.json"))) == 0
    assert not left.exists()


def test_a_refusal_leaves_an_older_result_alone(folder: Folder, tmp_path: Path) -> None:
    folder.add().prediction.unlink()
    (tmp_path / "scores.json").write_text("older")
    assert main(folder.argv("--output", str(tmp_path / "scores.json"))) == 2
    assert (tmp_path / "scores.json").read_text() == "older"


def test_faults_reach_callers_as_input_errors(folder: Folder) -> None:
    folder.add().prediction.unlink()
    folder.add(1)
    with pytest.raises(InputError, match="no prediction"):
        score(folder.predictions, folder.root, "val")
    pair = folder.add(2, labels=[0])
    assert math.isnan(scores_of(count(pair, read(pair))).to_json()["averageScoreClasses"])


def test_every_folder_that_cannot_be_listed_is_an_error(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    city, images = pair.label_ids.parent, folder.root / "leftImg8bit" / "val"
    images.mkdir(parents=True)
    with refused(city, folder.predictions, images):
        assert [f"error: {line}" for line in fault_lines(folder, capsys)] == [
            refusal(city),
            refusal(images),
            refusal(folder.predictions),
        ]
    with refused(city.parent):
        assert [f"error: {line}" for line in fault_lines(folder, capsys)] == [refusal(city.parent)]
