"""The files and scenes that are scored in the panoptic task."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cityscapes.layout import Scene
from cityscapes.scoring.scene_files import AGAIN
from engine.files.images import write_png
from tests.cityscapes.drawn_panoptic import (
    PanopticFolder,
    nothing,
    perfect,
)
from tests.cityscapes.scoring.panoptic.scored import STEM, entry, faults, figures


def test_a_json_of_another_name_is_used_if_it_is_the_only_one(predicted: PanopticFolder) -> None:
    predicted.json.rename(predicted.predictions / "predictions.json")
    (predicted.predictions / "metrics.json").write_text('{"PQ": 1.0}')
    assert figures(predicted)["All"]["pq"] == 1.0
    for path in predicted.pngs.iterdir():  # as detectron2 writes them
        path.rename(predicted.predictions / path.name)
    predicted.pngs.rmdir()
    assert figures(predicted)["All"]["pq"] == 1.0


def test_several_json_files_with_annotations_are_refused(predicted: PanopticFolder) -> None:
    predicted.json.rename(predicted.predictions / "b.json")
    shutil.copy(predicted.predictions / "b.json", predicted.predictions / "a.json")
    assert faults(predicted) == [
        f"{predicted.predictions}: no cityscapes_panoptic_val.json in it, but a.json, b.json; "
        "name the file to score cityscapes_panoptic_val.json"
    ]


def test_a_json_of_another_split_is_refused(predicted: PanopticFolder) -> None:
    other = predicted.json.rename(predicted.predictions / "cityscapes_panoptic_test.json")
    assert faults(predicted) == [
        f"{other}: predictions of the test split, expected cityscapes_panoptic_val.json; give --split test"
    ]


def test_predictions_of_other_scenes_are_refused_in_one_line(predicted: PanopticFolder) -> None:
    for number, annotation in enumerate(predicted.annotations):
        annotation["image_id"] = f"bonn_{number:06}_000019"
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: bonn_000000_000019 is not a scene of the val split, nor is any other image; "
        "give the --split that was predicted"
    ]


def test_a_prediction_without_ground_truth_is_a_warning(
    predicted: PanopticFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted.annotations.append({**entry(predicted), "image_id": "bonn_000000_000019", "file_name": "bonn.png"})
    predicted.write()
    assert figures(predicted)["All"]["pq"] == 1.0
    assert capsys.readouterr().err == (
        f"warning: {predicted.json}: 1 prediction not scored, because the val split has no annotation of them "
        "(bonn_000000_000019); unpack gtFine_trainvaltest.zip again if they belong to it\n"
    )


def test_a_scene_without_image_and_prediction_is_left_out(predicted: PanopticFolder) -> None:
    write_png(Scene("val", "ulm", STEM).image(predicted.root), np.zeros((30, 41, 3), np.uint8))
    predicted.annotations.pop()
    predicted.write()
    assert figures(predicted)["coverage"]["leftOut"] == 1


def test_a_missing_folder_is_refused(folder: PanopticFolder) -> None:
    folder.add(0, perfect)
    folder.json.unlink()
    assert faults(folder) == [
        f"{folder.predictions}: no cityscapes_panoptic_val.json in it; "
        "give the folder that the predictions were written to"
    ]
    shutil.rmtree(folder.predictions)
    assert "no such folder; give the folder" in faults(folder)[0]
    folder.predictions.write_text("")
    assert "is a file; give the folder" in faults(folder)[0]


def test_a_broken_json_is_one_message(folder: PanopticFolder) -> None:
    folder.add(0, perfect)
    folder.json.write_text('{"annotations": [')
    (line,) = faults(folder)
    assert line.startswith(f"{folder.json}: not valid JSON (")
    assert line.endswith("); write this file again")


@pytest.mark.parametrize(("split", "remedy"), [("val", "python generate_gt.py --panoptic"), ("test", "upload the")])
def test_a_split_without_ground_truth_is_refused(tmp_path: Path, split: str, remedy: str) -> None:
    folder = PanopticFolder(tmp_path, split)
    folder.add(0, perfect)
    folder.remove_instance_ids()
    (line,) = faults(folder)
    assert line.startswith(f"{folder.root}/gtFine/{split}/*/*_gtFine_instanceIds.png: no such masks, and no ")
    assert remedy in line


def test_the_dummy_masks_of_the_test_split_are_refused(tmp_path: Path) -> None:
    folder = PanopticFolder(tmp_path, "test")
    folder.add(0, nothing, labels=[1, 2, 3])
    (line,) = faults(folder)
    assert line.startswith(f"{folder.root}: no segment in the ground truth of the test split; ")
    assert "upload the predictions to the server" in line


def test_an_annotated_scene_without_instance_ids_is_a_fault(predicted: PanopticFolder) -> None:
    scene = Scene("val", "ulm", "ulm_000007_000019")
    scene.polygons(predicted.root).write_text("{}")
    found = faults(predicted)
    path = scene.official_mask(predicted.root, "instanceIds")
    assert found == [f"{path}: no such file; {AGAIN}"]


def test_old_panoptic_ground_truth_is_refused(predicted: PanopticFolder) -> None:
    json_path = predicted.convert(predicted.root / "generated_gt")
    predicted.remove_instance_ids()
    scene = Scene("val", "ulm", "ulm_000007_000019")
    scene.polygons(predicted.root).parent.mkdir(parents=True)
    scene.polygons(predicted.root).write_text("{}")
    removed = json_path.with_suffix("") / f"{STEM}_gtFine_panoptic.png"
    removed.unlink()
    remedy = "make it again: python generate_gt.py --panoptic"
    assert faults(predicted)[:2] == [
        f"{scene.stem}: has an annotation, but is not in {json_path}; {remedy}",
        f"{removed}: no such file; {remedy}",
    ]
