from pathlib import Path

import pytest

from cityscapes.scoring.recognition import hint, task_of

STEM = "ulm_000000_000019"


@pytest.mark.parametrize(
    ("names", "task"),
    [
        ([f"{STEM}.png"], "pixel"),
        ([f"ulm/{STEM}_leftImg8bit.png", "readme.md"], "pixel"),
        ([f"{STEM}.txt", f"{STEM}_0.png"], "instance"),
        ([f"{STEM}_pred.txt", f"{STEM}_0.png", "gtInstances.json"], "instance"),
        ([f"val/cityscapes_panoptic_val/{STEM}.png", "val/cityscapes_panoptic_val.json"], "panoptic"),
        ([f"{STEM}.png", "predictions.json"], None),
        ([f"{STEM}.png", "notes.txt"], None),
        (["image.png"], None),
        ([], None),
    ],
)
def test_the_task_of_a_folder(names: list[str], task: str | None, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert task_of(tmp_path) == task
    for other in {"pixel", "instance", "panoptic"} - {task}:
        got = f"{tmp_path}: got predictions of the {task} task, expected those of the {other} task; give --task {task}"
        assert hint(tmp_path, other) == ([got] if task else [])
    if task:
        assert hint(tmp_path, task) == []


def test_a_missing_folder_has_no_task(tmp_path: Path) -> None:
    assert task_of(tmp_path / "none") is None
