"""Recognition of the task by the files of a folder or zip."""

import json
from pathlib import Path

import pytest

from cityscapes.submission import archive_reader, check, main
from cityscapes.submission.recognition import recognise
from cityscapes.tasks import Task
from engine.errors import InputError
from tests.cityscapes import drawn_instance_submission, drawn_panoptic_submission
from tests.cityscapes.drawn_submission import LABEL_IDS, STEMS, prediction, save


def recognised(path: Path) -> tuple[Task, str]:
    return recognise(path, archive_reader.entries(path))


def test_the_three_tasks(tmp_path: Path) -> None:
    drawn_instance_submission.write(tmp_path / "instance", STEMS[0])
    drawn_panoptic_submission.write_all(tmp_path / "panoptic")
    save(prediction(tmp_path / "pixel", STEMS[0]), LABEL_IDS)
    assert recognised(tmp_path / "instance") == ("instance", "1 text file, for example berlin_000000_000019.txt")
    assert recognised(tmp_path / "panoptic") == ("panoptic", "cityscapes_panoptic_test.json")
    assert recognised(tmp_path / "pixel") == ("pixel", "no files of the other tasks")


def test_json_of_any_name_is_recognised_by_its_keys(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"annotations": []}))
    assert recognised(tmp_path)[0] == "pixel"
    (tmp_path / "predictions.json").write_text(json.dumps({"annotations": [{"segments_info": []}]}))
    assert recognised(tmp_path) == ("panoptic", "predictions.json")


@pytest.mark.parametrize("name", ["log.txt", "berlin.txt", "berlin_000000_000019.TXT", ".berlin_000000_000019.txt"])
def test_other_text_files_are_not_of_the_instance_task(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert recognised(tmp_path)[0] == "pixel"


@pytest.mark.parametrize("name", ["pred_berlin_000000_000019.txt", "berlin_000000_000019.TXT"])
def test_text_files_of_other_names_are_recognised_by_their_lines(name: str, tmp_path: Path) -> None:
    drawn_instance_submission.write(tmp_path, STEMS[0])
    (tmp_path / f"{STEMS[0]}.txt").rename(tmp_path / name)
    assert recognised(tmp_path) == ("instance", f"1 text file, for example {name}")


def test_two_tasks_are_named_with_a_file_of_each(tmp_path: Path) -> None:
    drawn_instance_submission.write(tmp_path, STEMS[0])
    drawn_panoptic_submission.write_all(tmp_path)
    with pytest.raises(InputError) as error:
        check(tmp_path, None)
    assert str(error.value) == (
        f"{tmp_path}: two tasks: got predictions of the instance task (1 text file, for example "
        "berlin_000000_000019.txt) and the panoptic task (cityscapes_panoptic_test.json); "
        "give each task a folder of its own"
    )


def test_pngs_in_the_panoptic_folder_are_not_of_the_pixel_task(tmp_path: Path) -> None:
    drawn_panoptic_submission.write_all(tmp_path)
    save(tmp_path / "berlin_000000_000019.png", LABEL_IDS)
    assert recognised(tmp_path)[0] == "panoptic"
    for stem in drawn_panoptic_submission.STEMS:
        save(tmp_path / f"{stem}.png", LABEL_IDS)
    with pytest.raises(InputError, match=r"two tasks: got predictions of the pixel task .* and the panoptic task"):
        recognised(tmp_path)


def test_a_given_task_is_not_recognised_and_not_printed(
    folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder), "--root", str(root), "--task", "pixel", "--workers", "1"]) == 0
    assert "task:" not in capsys.readouterr().out
    assert main(["check", str(folder), "--root", str(root), "--task", "panoptic", "--workers", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.err == (
        f"error: {folder}: missing JSON: got no cityscapes_panoptic_test.json among 6 files; "
        "write it next to the folder of the PNGs\n"
    )
    assert main(["check", str(folder), "--root", str(root), "--task", "instance", "--workers", "1"]) == 2
    assert "no predictions: got no text file among 6 files" in capsys.readouterr().err


def test_a_given_task_that_is_not_the_task_of_the_files_is_refused(tmp_path: Path) -> None:
    drawn_instance_submission.write(tmp_path, STEMS[0])
    with pytest.raises(InputError) as error:
        check(tmp_path, None, task="panoptic")
    assert str(error.value) == (
        f"{tmp_path}: other task: got predictions of the instance task (1 text file, for example "
        "berlin_000000_000019.txt), expected those of the panoptic task; give --task instance"
    )


def test_results_of_coco_lead_to_the_converter(tmp_path: Path) -> None:
    (tmp_path / "coco_instances_results.json").write_text("[]")
    for task, kind, usual in (
        ("pixel", "PNG", "predict the test split first"),
        (
            "instance",
            "text file",
            "predict the whole test split, and write an empty text file for an image without instances",
        ),
    ):
        (finding,) = check(tmp_path, None, task=task).faults  # type: ignore[arg-type]
        assert str(finding) == (
            f"no predictions: got no {kind} among 1 file, expected one for each test image; "
            f"convert results of COCO: python -m cityscapes.convert, or {usual}"
        )
    with pytest.raises(InputError, match="got a JSON file, expected a folder or zip; give the folder that has it, or"):
        check(tmp_path / "coco_instances_results.json", None)


def test_the_pngs_of_the_panoptic_task_alone(tmp_path: Path) -> None:
    drawn_panoptic_submission.write_all(tmp_path)
    pngs = tmp_path / "cityscapes_panoptic_test"
    with pytest.raises(InputError) as error:
        recognised(pngs)
    assert str(error.value) == f"{pngs}: got the folder of the PNGs alone; give the folder above, {tmp_path}"
    pngs.with_suffix(".json").unlink()
    assert recognised(tmp_path) == ("panoptic", "the name of the folder of the PNGs")
    assert [finding.kind for finding in check(tmp_path, None).faults] == ["missing JSON"]


def test_a_task_that_does_not_exist(tmp_path: Path) -> None:
    save(prediction(tmp_path, STEMS[0]), LABEL_IDS)
    with pytest.raises(InputError, match="task: got 'instances', expected one of pixel, instance, panoptic"):
        check(tmp_path, None, task="instances")  # type: ignore[arg-type]
