"""Pictures for the page: content, files, sizes and faults."""

import base64
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.files.atomic import strict
from engine.files.images import read_image, write_png
from report.pictures.collect import Pictures, collect
from tests.report.pictures.drawn import CITYSCAPES, flat_counts, report, result, write_predictions


@pytest.fixture
def two(demo_root: Path, tmp_path: Path) -> Pictures:
    """Pictures of two results on val; the first has scores of its images."""
    write_predictions(tmp_path / "a", demo_root)
    write_predictions(tmp_path / "b", demo_root, wrong=0.2)
    stems = [path.name.removesuffix("_labelId_preds.png") for path in sorted((tmp_path / "a").rglob("*.png"))]
    counts = tuple(flat_counts(stem, 0.25) for stem in stems)
    results = result(tmp_path / "a", demo_root, counts=counts), result(tmp_path / "b", demo_root)
    return collect(report(*results), most=500, max_bytes=28_000_000, workers=1)


def test_results_share_images_and_ground_truth(two: Pictures) -> None:
    assert two.faults == ()
    (found,) = two.content["sets"]
    assert [one["key"] for one in found["results"]] == ["a", "b"]
    assert len(found["scenes"]) == 3
    assert len(two.files) == 3 * 4
    scene = found["scenes"][0]
    ids = [scene["image"], scene["truth"], *scene["predictions"]]
    assert all(base64.b64decode(two.files[name]).startswith(b"RIFF") for name in ids)
    strict(two.content)


def test_scores_are_exact_where_they_are_known(two: Pictures) -> None:
    first, second = two.content["sets"][0]["scenes"][0]["scores"]
    assert first == {"mean": 0.25, "classes": [0.25] * 19, "exact": True}
    assert second["exact"] is True
    assert 0 < second["mean"] < 1
    assert len(second["classes"]) == 19


def test_pictures_are_reduced_until_they_fit(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root)
    full = collect(report(result(tmp_path / "a", demo_root)), most=500, max_bytes=10**9, workers=1)
    size = sum(map(len, full.files.values()))
    small = collect(report(result(tmp_path / "a", demo_root)), most=500, max_bytes=size * 2 // 3, workers=1)
    assert sum(map(len, small.files.values())) <= size * 2 // 3
    assert len(small.content["sets"][0]["scenes"]) == 3
    widths = [one.content["sets"][0]["scenes"][0]["size"][0] for one in (full, small)]
    assert widths[0] == 256
    assert widths[1] < 256
    exact = [one.content["sets"][0]["scenes"][0]["scores"][0]["exact"] for one in (full, small)]
    assert exact == [True, False]


def test_the_worst_scenes_stay_if_the_smallest_do_not_fit(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root, wrong=0.3)
    smallest = collect(report(result(tmp_path / "a", demo_root)), most=500, max_bytes=1, workers=1)
    assert smallest.content["sets"] == []
    tight = collect(report(result(tmp_path / "a", demo_root)), most=500, max_bytes=9_000, workers=1)
    (found,) = tight.content["sets"]
    assert found["available"] == 3
    assert [scene["name"] for scene in found["scenes"]][-1] == CITYSCAPES.samples(demo_root, "val")[-1].name
    assert len(found["scenes"]) < 3


def test_damaged_files_are_faults_without_absolute_paths(changed_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", changed_root)
    images = sorted((changed_root / "leftImg8bit" / "val").rglob("*.png"))
    images[0].write_bytes(b"")
    masks = sorted((changed_root / "generated_gt" / "val").rglob("*_trainId.png"))
    masks[1].write_bytes(masks[1].read_bytes()[:50])
    found = collect(report(result(tmp_path / "a", changed_root)), most=500, max_bytes=10**9, workers=1)
    scenes = found.content["sets"][0]["scenes"]
    assert [(scene["truth"] is None, scene["scores"] == [None]) for scene in scenes] == [(True, True), (False, False)]
    assert len(found.faults) == 2
    for fault, name in zip(found.faults, (images[0].name, masks[1].name), strict=True):
        assert name in fault.message
        assert str(changed_root) not in fault.message


def test_a_folder_of_images_has_no_ground_truth(demo_root: Path, tmp_path: Path) -> None:
    images = demo_root / "leftImg8bit" / "val"
    write_predictions(tmp_path / "a", demo_root)
    for path in list((tmp_path / "a").rglob("*.png")):
        path.rename(path.with_name(path.name.replace("_labelId", "_leftImg8bit_labelId")))
    one = result(tmp_path / "a", None, split=None, images=images)
    (found,) = collect(report(one), most=500, max_bytes=10**9, workers=1).content["sets"]
    assert found["title"] == "cityscapes, folder of images"
    assert [(scene["truth"], scene["scores"]) for scene in found["scenes"]] == [(None, [None])] * 3


def test_no_pictures_on_request(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root)
    assert collect(report(result(tmp_path / "a", demo_root)), most=0, max_bytes=1, workers=1).files == {}


def test_names_that_are_no_text_are_escaped(demo_root: Path, tmp_path: Path) -> None:
    image = sorted((demo_root / "leftImg8bit" / "val").rglob("*.png"))[0]
    folder = tmp_path / "images"
    folder.mkdir()
    name = os.fsdecode(b"\xff<script>")
    shutil.copyfile(image, folder / f"{name}.png")
    height, width = read_image(image).shape[:2]
    write_png(tmp_path / "a" / f"{name}_labelId_preds.png", np.zeros((height, width), np.uint8))
    found = collect(report(result(tmp_path / "a", None, split=None, images=folder)), most=9, max_bytes=10**9, workers=1)
    assert found.faults == ()
    assert found.content["sets"][0]["scenes"][0]["name"] == "\\udcff<script>"
