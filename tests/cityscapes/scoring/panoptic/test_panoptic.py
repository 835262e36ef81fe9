import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityscapes.layout import scenes_with_instance_ids
from cityscapes.scoring import main
from engine.files.images import read_ids
from tests.cityscapes.drawn_panoptic import (
    PREDICTIONS,
    Drawn,
    Ids,
    PanopticFolder,
    Predict,
    drawn,
    duplicated,
    grown,
    merged,
    nothing,
    on_void,
    perfect,
    shifted,
    single_segment,
)
from tests.cityscapes.scoring.panoptic.scored import KEYS, assert_official, faults, figures

# Figures


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("predict", PREDICTIONS)
def test_quality_is_the_official_one(folder: PanopticFolder, predict: Predict, seed: int) -> None:
    for number in range(3):
        folder.add(3 * seed + number, predict)
    assert_official(folder)


@pytest.mark.parametrize("predict", [perfect, shifted, on_void, single_segment])
@pytest.mark.parametrize("labels", [[7, 8, 24], [0, 3, 11, 29, 30], [1, 26, 27], [4, 33]])
def test_quality_is_the_official_one_where_classes_are_absent(
    folder: PanopticFolder, predict: Predict, labels: list[int]
) -> None:
    for number in range(2):
        folder.add(number, predict, labels=labels)
    assert_official(folder)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 900_000),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    labels=st.lists(st.integers(0, 33), min_size=1, max_size=6),
    predicts=st.lists(st.sampled_from(PREDICTIONS), min_size=1, max_size=3),
)
def test_any_tiny_scene_has_the_official_quality(
    seed: int, size: tuple[int, int], labels: list[int], predicts: list[Predict]
) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = PanopticFolder(Path(path))
        for number, predict in enumerate(predicts):
            folder.add(seed + number, predict, labels=labels, size=size)
        folder.add(999_999, perfect, labels=[7], size=(4, 4))  # so that a class occurs
        assert_official(folder)


class RealScenes(NamedTuple):
    """Instance ids of real scenes by stem, and the ground truth that the official converter makes of them."""

    instance_ids: Mapping[str, Ids]
    json: Path


@pytest.fixture(scope="module")
def real_scenes(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealScenes:
    folder = PanopticFolder(tmp_path_factory.mktemp("real"))
    root = real_data / "cityscapes"
    scenes = scenes_with_instance_ids(root, "val")[2:4]
    instance_ids = {scene.stem: read_ids(scene.official_mask(root, "instanceIds")) for scene in scenes}
    for stem, ids in instance_ids.items():
        folder.add_truth(stem, ids, nothing)
    return RealScenes(instance_ids, folder.convert())


@pytest.mark.parametrize("predict", PREDICTIONS)
def test_real_scenes_have_the_official_quality(
    folder: PanopticFolder, predict: Predict, real_scenes: RealScenes
) -> None:
    for stem, ids in real_scenes.instance_ids.items():
        folder.add_truth(stem, ids, predict, np.random.default_rng(0))
    assert_official(folder, real_scenes.json)


def test_an_average_of_no_class_is_null(folder: PanopticFolder) -> None:
    folder.add(0, perfect, labels=[7, 8])
    content = figures(folder)
    assert content["Things"] == {"pq": None, "sq": None, "rq": None, "n": 0}
    assert content["Stuff"] == content["All"] == {"pq": 1.0, "sq": 1.0, "rq": 1.0, "n": 2}
    assert content["per_class"]["26"] == {"pq": 0.0, "sq": 0.0, "rq": 0.0}


def test_a_segment_with_id_zero_is_scored_as_in_the_official_script(folder: PanopticFolder) -> None:
    scene = folder.add(0, perfect)
    ids, categories = drawn(read_ids(scene.official_mask(folder.root, "instanceIds")).astype(np.int64))
    folder.annotations.clear()
    folder.add_prediction(scene.stem, Drawn(ids, {0: 7, **categories}))
    folder.write()
    assert_official(folder)


# Ground truth of each origin


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("predict", [shifted, merged, duplicated, grown])
def test_panoptic_ground_truth_gives_the_same_figures(
    folder: PanopticFolder, predict: Predict, generated: bool
) -> None:
    for number in range(3):
        folder.add(number, predict)
    from_instance_ids = figures(folder)
    folder.convert(folder.root / ("generated_gt" if generated else "gtFine"))
    folder.remove_instance_ids()
    assert figures(folder) == from_instance_ids


def test_instance_ids_are_used_before_panoptic_ground_truth(folder: PanopticFolder) -> None:
    folder.add(0, perfect)
    folder.convert().write_text("not JSON")
    assert figures(folder)["All"]["pq"] == 1.0


def test_ground_truth_that_contradicts_its_json_is_refused(folder: PanopticFolder) -> None:
    scene = folder.add(0, perfect, labels=[7])
    made = folder.convert()
    folder.remove_instance_ids()
    made.write_text(made.read_text().replace('"area": ', '"area": 1'))
    path = folder.root / "gtFine/cityscapes_panoptic_val" / f"{scene.stem}_gtFine_panoptic.png"
    assert faults(folder) == [
        f"{path}: segment 7 has 1230 pixels, but 11230 in the JSON file; make the ground truth again: "
        "python generate_gt.py --panoptic"
    ]


# Workers and output


def test_any_number_of_workers_gives_identical_bytes(folder: PanopticFolder, tmp_path: Path) -> None:
    for number in range(7):
        folder.add(number, PREDICTIONS[number])
    written = [tmp_path / f"{workers}.json" for workers in (1, 4)]
    for path, workers in zip(written, ("1", "4"), strict=True):
        assert main([*folder.argv("--output", str(path)), "--workers", workers]) == 0
    assert written[0].read_bytes() == written[1].read_bytes()
    content = json.loads(written[0].read_text())
    assert content.keys() == KEYS | {"coverage", "pqInterval", "images"}
    assert list(content["images"]) == [annotation["image_id"] for annotation in folder.annotations]


def test_the_table_has_each_class_and_the_averages(folder: PanopticFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0, perfect, labels=[7, 26])
    assert main(folder.argv()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "PQ", "SQ", "RQ"]
    assert lines[1].split() == ["road", "100.0", "100.0", "100.0"]
    assert lines[2].split() == ["sidewalk", "-", "-", "-"]
    assert lines[21:25] == [
        "average     PQ     SQ     RQ  n",
        "All      100.0  100.0  100.0  2",
        "Things   100.0  100.0  100.0  1",
        "Stuff    100.0  100.0  100.0  1",
    ]
    assert lines[26] == "mean PQ 100.0 to 100.0 in 95% of 2000 resamples of 1 image"
    assert lines[27].startswith("1 scene of val, not the official 500 ")


def test_csv_has_all_digits(folder: PanopticFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0, shifted)
    assert main(folder.argv("--format", "csv")) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "level,name,PQ,SQ,RQ,n"
    assert len(rows) == 22
    content = figures(folder)
    level, name, pq, *_ = rows[19].split(",")
    assert (level, name, float(pq)) == ("average", "All", content["All"]["pq"])


def test_details_have_each_image_worst_first(folder: PanopticFolder, tmp_path: Path) -> None:
    for number, predict in enumerate((perfect, nothing, merged)):
        folder.add(number, predict)
    assert main(folder.argv("--details", str(tmp_path / "details"))) == 0
    head, *rows = (tmp_path / "details/images.csv").read_text().splitlines()
    assert head.startswith("image,PQ,SQ,RQ,true positives,false positives,missed,road,sidewalk,")
    assert [row.split(",")[0] for row in rows] == [f"ulm_{number:06}_000019" for number in (1, 2, 0)]
