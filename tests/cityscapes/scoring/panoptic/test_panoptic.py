import errno
import json
import os
import shutil
import struct
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityscapes.labels import BY_ID
from cityscapes.layout import Scene, scenes_with_instance_ids
from cityscapes.scoring import main
from cityscapes.scoring.panoptic import measure, truth
from cityscapes.scoring.panoptic.pairs import find_files
from cityscapes.scoring.scene_files import AGAIN
from engine.arrays import MIB
from engine.errors import InputError
from engine.files.atomic import strict
from engine.files.images import read_ids, write_png
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
    official_quality,
    on_void,
    perfect,
    shifted,
    single_segment,
)
from tests.cityscapes.drawn_predictions import assert_equal
from tests.conftest import Ending

KEYS = {"All", "Things", "Stuff", "per_class"}


@pytest.fixture
def folder(tmp_path: Path) -> PanopticFolder:
    return PanopticFolder(tmp_path)


def figures(folder: PanopticFolder, workers: int = 1) -> dict[str, Any]:
    """The result file of our scorer."""
    result = measure(folder.predictions, folder.root, folder.split, workers=workers)
    return json.loads(json.dumps(strict(result.to_json()), allow_nan=False))  # type: ignore[no-any-return]


def assert_official(folder: PanopticFolder, truth: Path | None = None) -> dict[str, Any]:
    """Compare with the official scorer, and return its figures."""
    official = official_quality(folder, truth)
    ours = {key: value for key, value in figures(folder).items() if key in KEYS}
    assert_equal(*(json.loads(json.dumps(content, sort_keys=True)) for content in (ours, official)))
    return official


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


# Faults of files


@pytest.fixture
def predicted(folder: PanopticFolder) -> PanopticFolder:
    """Two scenes with perfect predictions."""
    for number in range(2):
        folder.add(number, perfect)
    return folder


def faults(folder: PanopticFolder) -> list[str]:
    """Messages of the scorer about files that it must refuse."""
    with pytest.raises(InputError) as caught:
        measure(folder.predictions, folder.root, folder.split)
    return list(caught.value.messages)


STEM = "ulm_000000_000019"


def entry(folder: PanopticFolder) -> dict[str, Any]:
    """The first annotation, which the test may change before it writes the JSON again."""
    return folder.annotations[0]


def png(folder: PanopticFolder) -> Path:
    return folder.pngs / f"{STEM}_panoptic.png"


def test_the_command_reports_faults_without_a_traceback(predicted: PanopticFolder, error_of: Ending) -> None:
    png(predicted).unlink()
    assert error_of(main, *predicted.argv()) == (
        f"error: {png(predicted)}: no such file, but cityscapes_panoptic_val.json names it; "
        "write the PNG of each image\n"
    )


def test_all_pngs_in_another_folder_are_one_message(predicted: PanopticFolder) -> None:
    names = ", ".join(annotation["file_name"] for annotation in predicted.annotations)
    number = len(predicted.annotations)
    predicted.pngs.rename(predicted.pngs.with_name("pngs"))
    assert faults(predicted) == [
        f"{predicted.json.parent}: none of the {number} PNGs that {predicted.json.name} names is there ({names}); "
        "name their folder cityscapes_panoptic_val: python -m cityscapes.submission fix PATH NEW"
    ]


def test_numbers_of_images_lead_to_the_converter(predicted: PanopticFolder) -> None:
    for number, annotation in enumerate(predicted.annotations):
        annotation["image_id"] = number
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: annotation {number}: image_id: expected a string, got {number}; name the images: "
        "python -m cityscapes.convert coco_panoptic JSON DIR NEW"
        for number in range(len(predicted.annotations))
    ]


def test_predictions_in_a_folder_below_are_named(predicted: PanopticFolder) -> None:
    above = predicted.json.parent.parent
    with pytest.raises(InputError) as error:
        find_files(above, "val")
    assert str(error.value) == (
        f"{above}: no cityscapes_panoptic_val.json in it, but in {predicted.json.parent}; give that folder"
    )


NO_FILE = "no such file, but cityscapes_panoptic_val.json names it; write the PNG of each image"
IMPOSSIBLE = "expected a path inside the folder, got "


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.png", NO_FILE), ("a/" * 3000, NO_FILE), ("x" * 5000, IMPOSSIBLE), ("\ud800.png", IMPOSSIBLE)],
    ids=["missing", "deep", "long", "half of a surrogate pair"],
)
def test_a_png_that_is_not_there_is_one_message(predicted: PanopticFolder, name: str, message: str) -> None:
    entry(predicted)["file_name"] = name
    predicted.write()
    (line,) = faults(predicted)
    assert message in line
    assert len(line) < 500


def test_a_png_without_permission_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", denied)
    assert truth.exists(Path("a.png"))


def test_the_folder_of_the_pngs_or_the_json_file_in_place_of_their_folder(
    predicted: PanopticFolder, error_of: Ending
) -> None:
    folder = predicted.json.parent
    argv = predicted.argv()
    place = argv.index(str(folder))
    argv[place] = str(predicted.pngs)
    assert error_of(main, *argv) == (
        f"error: {predicted.pngs}: no cityscapes_panoptic_val.json in it, but in {folder}; give that folder\n"
    )
    argv[place] = str(predicted.json)
    assert error_of(main, *argv) == f"error: {predicted.json}: is a file; give the folder that has it: {folder}\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_png_that_is_no_file_is_a_message(predicted: PanopticFolder, make: Callable[[Path], None]) -> None:
    png(predicted).unlink()
    make(png(predicted))
    (line,) = faults(predicted)
    assert line.startswith(f"{png(predicted)}: ")


@pytest.mark.parametrize("name", ["/etc/passwd", "../cityscapes_panoptic_val.json", ""])
def test_a_png_outside_the_folder_is_refused(predicted: PanopticFolder, name: str) -> None:
    entry(predicted)["file_name"] = name
    predicted.write()
    assert any("expected a path inside the folder" in line for line in faults(predicted))


def test_segments_in_the_png_only_are_listed(predicted: PanopticFolder) -> None:
    removed = [predicted.annotations[0]["segments_info"].pop()["id"] for _ in range(2)]
    predicted.annotations[1]["segments_info"].pop()
    predicted.write()
    first, second = faults(predicted)
    assert first == (
        f"{png(predicted)}: segment ids {removed[1]}, {removed[0]} not in cityscapes_panoptic_val.json; "
        "list each segment of the PNG, and write 0 where there is none"
    )
    assert "ulm_000001_000019_panoptic.png: segment id " in second


def test_segments_in_the_json_only_are_listed(predicted: PanopticFolder) -> None:
    entry(predicted)["segments_info"] += [{"id": 900_000 + number, "category_id": 7} for number in range(30)]
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: segment ids {', '.join(str(900_000 + number) for number in range(20))}, ... (30 in all) "
        f"not in {STEM}_panoptic.png; leave out segments without pixels"
    ]


def test_unknown_categories_are_listed_with_all_other_faults(predicted: PanopticFolder) -> None:
    entry(predicted)["segments_info"][0]["category_id"] = 29
    entry(predicted)["segments_info"][1]["category_id"] = 99
    last = predicted.annotations[1]["segments_info"].pop()
    predicted.write()
    found = faults(predicted)
    assert [line.split("; ")[0] for line in found] == [
        f"{predicted.json}: {STEM}: segment {entry(predicted)['segments_info'][0]['id']}: unknown category_id 29 "
        "(caravan, which is not scored)",
        f"{predicted.json}: {STEM}: segment {entry(predicted)['segments_info'][1]['id']}: unknown category_id 99",
        f"{predicted.pngs}/ulm_000001_000019_panoptic.png: segment id {last['id']} not in cityscapes_panoptic_val.json",
    ]


def test_train_ids_are_recognised(predicted: PanopticFolder) -> None:
    for annotation in predicted.annotations:
        for segment in annotation["segments_info"]:
            segment["category_id"] = BY_ID[segment["category_id"]].train_id
    predicted.write()
    (line,) = faults(predicted)
    assert line.endswith(
        "these are train ids, expected label ids; fix the predictions: python -m cityscapes.submission fix PATH NEW"
    )


def test_a_missing_image_is_named(predicted: PanopticFolder) -> None:
    predicted.annotations.pop()
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: no prediction of 1 scene (ulm_000001_000019); predict every scene of the val split"
    ]


def test_several_entries_of_an_image_are_refused(predicted: PanopticFolder) -> None:
    predicted.annotations.append(entry(predicted))
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: {STEM}: two annotations have this image_id; write one annotation per image"
    ]


def test_a_png_of_another_size_is_refused(predicted: PanopticFolder) -> None:
    write_png(png(predicted), np.zeros((15, 20, 3), np.uint8))
    assert faults(predicted) == [
        f"{png(predicted)}: got 20 x 15 pixels, expected 41 x 30 like the ground truth; predict at the size of the "
        "image: enlarge the scores before segments are formed"
    ]


def test_a_png_of_a_billion_pixels_is_refused_before_it_is_decoded(predicted: PanopticFolder) -> None:
    content = bytearray(png(predicted).read_bytes())
    content[16:24] = struct.pack(">II", 40_000, 40_000)
    png(predicted).write_bytes(content)
    tracemalloc.start()
    (line,) = faults(predicted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.startswith(f"{png(predicted)}: got 40000 x 40000 pixels, expected 41 x 30 like the ground truth; ")
    assert peak < 4 * MIB


def test_an_image_of_another_format_and_size_is_refused_before_it_is_decoded(predicted: PanopticFolder) -> None:
    Image.new("RGB", (8_000, 8_000)).save(png(predicted), "TIFF", compression="tiff_adobe_deflate")
    faults(predicted)  # imports the reader of the format
    tracemalloc.start()
    (line,) = faults(predicted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.startswith(f"{png(predicted)}: got 8000 x 8000 pixels, expected 41 x 30 like the ground truth; ")
    assert peak < 16 * MIB


def test_files_of_a_terabyte_are_refused_before_they_are_read(predicted: PanopticFolder) -> None:
    with png(predicted).open("wb") as file:
        file.truncate(1 << 40)
    assert faults(predicted) == [
        f"{png(predicted)}: got 1,099,511,627,776 bytes, expected at most {64 * MIB:,}; write it again"
    ]
    with predicted.json.open("wb") as file:
        file.truncate(1 << 40)
    assert faults(predicted) == [
        f"{predicted.json}: got 1,099,511,627,776 bytes, expected at most {128 * MIB:,}; write it again"
    ]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    peaks = []
    for number in (2, 12):
        folder = PanopticFolder(tmp_path / str(number))
        for scene in range(number):
            folder.add(scene, shifted, labels=[7, 26], size=(300, 400))
        measure(folder.predictions, folder.root, folder.split)  # imports and caches
        tracemalloc.start()
        measure(folder.predictions, folder.root, folder.split)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 10 * 20_000  # an image has 120,000 pixels of 2 and 4 bytes


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "LA", "1"])
def test_a_png_that_is_not_rgb_is_refused(predicted: PanopticFolder, mode: str) -> None:
    Image.new(mode, (41, 30)).save(png(predicted))
    (line,) = faults(predicted)
    assert line == (
        f"{png(predicted)}: image of mode {mode}, expected RGB; write the id of each segment as "
        "red + 256 x green + 65,536 x blue: python -m cityscapes.convert coco_panoptic JSON DIR NEW"
    )


def test_alpha_is_ignored_as_in_the_official_script(predicted: PanopticFolder) -> None:
    with Image.open(png(predicted)) as image:
        image.convert("RGBA").save(png(predicted))
    with Image.open(png(predicted)) as image:
        assert image.mode == "RGBA"
    assert assert_official(predicted)["All"]["pq"] == 1.0


def test_a_damaged_png_is_refused(predicted: PanopticFolder) -> None:
    content = bytearray(png(predicted).read_bytes())
    content[len(content) // 2] ^= 1
    png(predicted).write_bytes(content)
    assert faults(predicted) == [
        f"{png(predicted)}: damaged image (wrong checksum in chunk IDAT); unpack, download or make it again"
    ]


def test_an_instance_id_without_a_label_is_refused(predicted: PanopticFolder) -> None:
    path = Scene("val", "ulm", STEM).official_mask(predicted.root, "instanceIds")
    ids = read_ids(path).copy()
    ids[0, :2] = 99, 34_001
    write_png(path, ids)
    assert faults(predicted) == [
        f"{path}: instance ids 99, 34001, expected label ids up to 33, and 1000 x label id + number for single "
        "objects; unpack gtFine_trainvaltest.zip again"
    ]


def test_faults_of_all_images_are_reported_together(folder: PanopticFolder) -> None:
    for number in range(5):
        folder.add(number, perfect)
    paths = [folder.pngs / annotation["file_name"] for annotation in folder.annotations]
    paths[0].write_bytes(b"no image")
    paths[1].unlink()
    Image.new("L", (41, 30)).save(paths[2])
    folder.annotations[3]["segments_info"].pop()
    folder.annotations.pop()
    folder.write()
    found = faults(folder)
    for text in ("is not an image", "no such file", "image of mode L", " not in cityscapes", "no prediction of"):
        assert sum(text in line for line in found) == 1, text
    assert len(found) == 5


# Finding of the files


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
