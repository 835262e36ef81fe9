from pathlib import Path

import pytest

from cityscapes.scoring.recognition import other_task, tasks_of

STEM = "ulm_000000_000019"
LINE = f"{STEM}_0.png 26 0.9\n"


@pytest.mark.parametrize(
    ("files", "tasks"),
    [
        ({f"{STEM}.png": ""}, ["pixel"]),
        ({f"ulm/{STEM}_leftImg8bit.png": "", "readme.md": ""}, ["pixel"]),
        ({f"{STEM}.txt": LINE, f"{STEM}_0.png": ""}, ["instance"]),
        ({f"{STEM}_pred.txt": LINE, f"{STEM}_0.png": "", "gtInstances.json": ""}, ["instance"]),
        ({"ulm_000000_000018.txt": "", f"{STEM}.txt": LINE}, ["instance"]),
        ({f"val/cityscapes_panoptic_val/{STEM}.png": "", "val/cityscapes_panoptic_val.json": ""}, ["panoptic"]),
        ({f"a/{STEM}.txt": LINE, "b/cityscapes_panoptic_val.json": ""}, ["instance", "panoptic"]),
        ({f"{STEM}.png": "", f"{STEM}.txt": "a note about this prediction\n"}, []),
        ({f"{STEM}.png": "", "predictions.json": ""}, []),
        ({f"{STEM}.png": "", "notes.txt": ""}, []),
        ({"image.png": ""}, []),
        ({}, []),
    ],
)
def test_the_tasks_of_a_folder(files: dict[str, str], tasks: list[str], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert tasks_of(tmp_path) == tasks
    for other in {"pixel", "instance", "panoptic"} - {*tasks}:
        message = other_task(tmp_path, other)
        if len(tasks) == 1:
            (task,) = tasks
            expected = f"got predictions of the {task} task, expected those of the {other} task; give --task {task}"
            assert message == f"{tmp_path}: {expected}"
        elif tasks:
            named = "got predictions of the instance and the panoptic task"
            assert message == f"{tmp_path}: {named}; give the folder of the {other} task"
        else:
            assert message is None
    for task in tasks:
        assert other_task(tmp_path, task) is None


def test_the_pngs_of_the_panoptic_task_are_not_of_the_pixel_task(tmp_path: Path) -> None:
    pngs = tmp_path / "cityscapes_panoptic_val"
    pngs.mkdir()
    (pngs / f"{STEM}.png").touch()
    assert tasks_of(pngs) == ["pixel"]
    pngs.with_suffix(".json").touch()
    assert tasks_of(pngs) == ["panoptic"]


def test_a_missing_folder_has_no_task(tmp_path: Path) -> None:
    assert tasks_of(tmp_path / "none") == []


def test_a_text_file_that_cannot_be_read_shows_no_task(tmp_path: Path) -> None:
    (tmp_path / f"{STEM}.txt").symlink_to("none")
    assert tasks_of(tmp_path) == []
