"""The scored scenes, and the messages about the others."""

from collections import Counter

import numpy as np
import pytest

from cityscapes.dataset import CityscapesBenchmark
from cityscapes.layout import Scene
from cityscapes.official_counts import IMAGES_OF
from cityscapes.scoring import main, measure
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.scene_files import AGAIN
from engine.files.images import read_ids, write_png
from tests.cityscapes.drawn_predictions import Folder, fault_lines


def stems(cities: dict[str, int]) -> list[str]:
    return [f"{city}_{number:06}_000019" for city, count in cities.items() for number in range(count)]


@pytest.mark.parametrize(
    ("split", "cities", "sizes", "expected"),
    [
        ("val", IMAGES_OF["val"], {(2048, 1024): 500}, "500 scenes of val, as in the official set"),
        (
            "val",
            IMAGES_OF["val"],
            {(1024, 512): 500},
            "500 scenes of val, at 1024 x 512 instead of 2048 x 1024: do not compare these scores with published ones",
        ),
        (
            "val",
            {"frankfurt": 267, "lindau": 1},
            {(1024, 512): 8, (2048, 1024): 260},
            "268 scenes of val, not the official 500 (lindau 1 of 59, munster 0 of 174), at 1024 x 512 instead of "
            "2048 x 1024: do not compare these scores with published ones",
        ),
        (
            "train",
            {"atlantis": 1},
            {(2048, 1024): 1},
            "1 scene of train, not the official 2975 (atlantis 1 of 0, aachen 0 of 174, bochum 0 of 96, "
            "bremen 0 of 316, and 15 more): do not compare these scores with published ones",
        ),
    ],
)
def test_differences_from_the_official_split_are_reported(
    split: str, cities: dict[str, int], sizes: dict[tuple[int, int], int], expected: str
) -> None:
    coverage = Coverage.of(split, stems(cities), Counter(sizes), 0)
    assert str(coverage) == expected
    assert coverage.to_json()["official"] == expected.endswith("as in the official set")


def add_image(folder: Folder, number: int) -> None:
    write_png(Scene("val", "ulm", f"ulm_{number:06}_000019").image(folder.root), np.zeros((30, 41, 3), np.uint8))


def test_scenes_that_could_not_be_predicted_are_left_out_and_counted(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The situation after `test_fcn.py --split val` if some images do not exist."""
    folder.add(0)
    folder.add(1)
    unseen, missing = folder.add(2), folder.add(3)
    unseen.prediction.unlink()
    missing.prediction.unlink()
    for number in (0, 3):  # scene 1 has a prediction, but no image
        add_image(folder, number)
    assert fault_lines(folder, capsys) == [
        f"{folder.predictions}: no prediction of 1 scene ({missing.stem}); predict every scene of the val split"
    ]
    for path in missing[2:]:
        path.unlink()
    assert main(folder.argv()) == 0
    lines = capsys.readouterr().out
    assert "2 scenes of val, not the official 500" in lines
    assert "1 scene without image and prediction left out: do not compare" in lines
    scores, text = CityscapesBenchmark().score(folder.predictions, folder.root, "val", 1)
    ours = measure(folder.predictions, folder.root, "val")
    assert text.splitlines()[-1] == str(ours.coverage)
    assert scores["averageScoreClasses"] == ours.to_json()["averageScoreClasses"]


def test_a_scene_without_its_label_ids_is_a_fault(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0)
    pair = folder.add(1)
    pair.label_ids.unlink()
    assert fault_lines(folder, capsys) == [f"{pair.label_ids}: no such file; {AGAIN}"]


def test_predictions_that_are_not_scored_get_a_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0)
    for number in range(1, 6):
        for path in folder.add(number)[2:]:
            path.unlink()
    write_png(folder.predictions / "overview.png", np.zeros((4, 4, 3), np.uint8))
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {folder.predictions}: 5 predictions not scored, whose scenes are not in {folder.root}/gtFine/val "
        "(ulm_000001_000019, ulm_000002_000019, ulm_000003_000019, ulm_000004_000019 and 1 more); unpack "
        "gtFine_trainvaltest.zip again if they belong to this split",
        f"warning: {folder.predictions}: 1 PNG file not scored, whose names do not start with "
        "<city>_<6 digits>_<6 digits> (overview.png)",
    ]


def test_predictions_of_two_networks_and_copies_get_a_warning(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        folder.add(number)
    paths = sorted(folder.predictions.rglob("*.png"))
    for path, weights, made in zip(paths, "aab", "xxy", strict=True):
        write_png(path, read_ids(path), notes={"Weights": weights, "Prediction": made})
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {folder.predictions}: predictions made with 2 different weights ({paths[0].name} and "
        f"{paths[2].name}), so the scores are not those of one network; predict all images with the same weights again",
        f"warning: {paths[1]}: a copy of {paths[0].name}, which is of another image; predict it again",
    ]
