"""Frequent mistakes with the files of each program: the message that names them, and the fix of the page."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes.labels import BY_ID, BY_NAME
from tests.cityscapes.programs import hugging_face, mmdetection, mmsegmentation, nvidia, paddleseg, ultralytics
from tests.cityscapes.programs.drawn import SPLITS, Predicted, predict
from tests.cityscapes.programs.pages import Done, commands, run, section
from tests.cityscapes.programs.test_pixel import PROGRAMS, Program

Capture = pytest.CaptureFixture[str]
Write = Callable[[Path, Sequence[Predicted]], None]

SCORE = ["python", "-m", "cityscapes.scoring", "--root", "data", "--predictions"]
CHECK = ["python", "-m", "cityscapes.submission", "check", "--root", "data"]
FIX = ["python", "-m", "cityscapes.submission", "fix", "--root", "data"]
MEAN_IS_100 = "mean of 19     100.0"


def scored(folder: str, capsys: Capture, expected: int = 0) -> Done:
    return run([*SCORE, folder], capsys, expected=expected)


def scores(words: list[str], capsys: Capture) -> Any:
    """Content of the result file."""
    run([*SCORE, *words, "--output", "scores.json"], capsys)
    return json.loads(Path("scores.json").read_text())


@pytest.mark.parametrize(
    ("write", "inside"),
    [
        (partial(ultralytics.write, label_mapping=False), ""),
        (partial(mmsegmentation.write, metric="IoUMetric"), ""),
        (paddleseg.write, "/pseudo_color_prediction"),
    ],
    ids=["ultralytics", "mmsegmentation", "paddleseg"],
)
def test_train_ids_are_recognised_and_converted(write: Write, inside: str, root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        write(Path(split), predict(split))
    warning = scored(f"val{inside}", capsys).errors
    assert "read as train ids 100% of the pixels are right" in warning
    assert "python -m cityscapes.submission fix PATH NEW" in warning
    fault = run([*CHECK, f"test{inside}"], capsys, expected=2).errors
    assert "these are train ids, expected label ids, 0 to 33" in fault
    for split in SPLITS:
        assert "train ids to label ids" in run([*FIX, f"{split}{inside}", f"fixed/{split}"], capsys).output
    assert MEAN_IS_100 in scored("fixed/val", capsys).output
    run([*CHECK, "fixed/test"], capsys)


@pytest.mark.parametrize("page", ["ultralytics", "mmsegmentation"])
def test_the_fix_of_the_page_parses_its_folder(page: str, root: Path, capsys: Capture) -> None:
    heading = {"ultralytics": "What to change", "mmsegmentation": "The most frequent mistake"}[page]
    (words,) = commands(section(page, heading))
    folder = Path(words[4])
    if page == "ultralytics":
        ultralytics.write(folder, predict("val"), label_mapping=False)
    else:
        mmsegmentation.write(folder, predict("val"), metric="IoUMetric")
    run(words, capsys)
    assert MEAN_IS_100 in scored(words[5], capsys).output


def test_old_mmsegmentation_writes_a_palette_of_colours(root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        mmsegmentation.write(Path(split), predict(split), metric="0.x")
    assert MEAN_IS_100 in scored("val", capsys).output
    assert "palette" in run([*CHECK, "test"], capsys).errors


def test_all_folders_of_paddleseg_at_once(root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        paddleseg.write(Path(split), predict(split))
    assert "several predictions of 4 scenes (added_prediction/" in scored("val", capsys, expected=2).errors
    assert "colour and ids" in run([*CHECK, "test"], capsys, expected=2).errors
    for split in SPLITS:
        run([*FIX, split, f"fixed/{split}"], capsys)
    assert MEAN_IS_100 in scored("fixed/val", capsys).output
    run([*CHECK, "fixed/test"], capsys)


def test_the_converter_of_paddleseg(root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        paddleseg.convert_to_label_ids(Path(split), predict(split))
    assert MEAN_IS_100 in scored("val/convert_to_labelid", capsys).output
    run([*CHECK, "test/convert_to_labelid"], capsys)


def test_the_images_for_people_of_nvidia(root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        nvidia.write_best_images(Path(split), predict(split))
    errors = scored("val", capsys, expected=2).errors
    assert "scenes (frankfurt_000000_000294_leftImg8bit_gt.png" in errors
    assert "colour and ids" in run([*CHECK, "test"], capsys, expected=2).errors


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.page for program in PROGRAMS])
def test_a_prediction_of_half_the_size(program: Program, root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        half = [
            predicted._replace(train_ids=np.ascontiguousarray(predicted.train_ids[::2, ::2]), instances=())
            for predicted in predict(split)
        ]
        program.write(Path(split), half)
    inside = "/pseudo_color_prediction" if program.page == "paddleseg" else ""
    assert "got 128 x 64 pixels, expected 256 x 128" in scored(f"val{inside}", capsys, expected=2).errors
    assert "size: " in run([*CHECK, f"test{inside}"], capsys, expected=2).errors


@pytest.mark.parametrize(("given", "found"), list(permutations(("pixel", "instance", "panoptic"), 2)))
def test_a_forgotten_task_is_named(given: str, found: str, root: Path, capsys: Capture) -> None:
    folder = Path(found)
    if found == "pixel":
        nvidia.write(folder, predict("val"))
    elif found == "instance":
        mmdetection.write(folder, predict("val"))
    else:
        folder.mkdir()
        hugging_face.write_panoptic(folder / "cityscapes_panoptic_val", predict("val"))
    first = run([*SCORE, found, "--task", given], capsys, expected=2).errors.splitlines()[0]
    assert first == (
        f"error: {found}: got predictions of the {found} task, expected those of the {given} task; give --task {found}"
    )


@pytest.mark.parametrize("id2label", [hugging_face.ID2LABEL, hugging_face.INSTANCE_ID2LABEL], ids=["19", "8"])
def test_class_numbers_of_an_instance_model(id2label: dict[int, str], root: Path, capsys: Capture) -> None:
    number_of = {BY_NAME[name].id: number for number, name in id2label.items()}
    for split in SPLITS:
        hugging_face.write_instances(Path(split), predict(split))
        for path in Path(split).glob("*.txt"):
            fields = [line.split() for line in path.read_text().splitlines()]
            path.write_text("".join(f"{mask} {number_of[int(label)]} {score}\n" for mask, label, score in fields))
    warning = run([*SCORE, "val", "--task", "instance"], capsys).errors
    (fault,) = run([*CHECK, "test", "--task", "instance"], capsys, expected=2).errors.splitlines()
    if len(id2label) == 8:
        assert "these look like numbers of a network's classes; write label ids: 24 person, 25 rider, 26 car" in warning
        assert "got only ids from 0 to 7 in 27 lines: these are numbers of a network's classes" in fault
        assert "write label ids: 24 person, 25 rider, 26 car" in fault
        return
    assert "these look like train ids" in warning
    assert "got only ids from 11 to 18 in 27 lines: these are train ids" in fault
    run([*FIX, "val", "fixed"], capsys)
    assert scores(["fixed", "--task", "instance"], capsys)["averages"]["allAp"] == 1


def test_class_numbers_of_a_panoptic_model(root: Path, capsys: Capture) -> None:
    for split in SPLITS:
        json_file = Path(split) / f"cityscapes_panoptic_{split}.json"
        Path(split).mkdir()
        hugging_face.write_panoptic(json_file.with_suffix(""), predict(split))
        content = json.loads(json_file.read_text())
        for segment in (segment for entry in content["annotations"] for segment in entry["segments_info"]):
            segment["category_id"] = BY_ID[segment["category_id"]].train_id
        json_file.write_text(json.dumps(content))
    assert "these are train ids" in run([*SCORE, "val", "--task", "panoptic"], capsys, expected=2).errors
    assert "these are train ids" in run([*CHECK, "test"], capsys, expected=2).errors
    run([*FIX, "val", "fixed"], capsys)
    assert scores(["fixed", "--task", "panoptic"], capsys)["All"]["pq"] == 1
