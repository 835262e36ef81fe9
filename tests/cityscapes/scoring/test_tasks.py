import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cityscapes.scoring import main, measure, tasks
from engine.errors import InputError
from engine.files.atomic import write_json
from tests.cityscapes.drawn_instances import InstanceFolder, mixed
from tests.cityscapes.scoring.panoptic.drawn_counts import draw_result


def test_results_of_two_tasks_are_not_compared(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = InstanceFolder(tmp_path / "instances")
    folder.add(0, mixed)
    paths = {task: tmp_path / f"{task}.json" for task in ("pixel", "instance", "panoptic")}
    write_json(paths["pixel"], measure(data / "good", data / "data", "val").to_json())
    assert main(folder.argv("--output", str(paths["instance"]))) == 0
    write_json(paths["panoptic"], draw_result(0, 6).to_json())
    for (task, first), (other, second) in itertools.permutations(paths.items(), 2):
        capsys.readouterr()
        assert main(["--compare", str(first), str(second)]) == 2
        assert capsys.readouterr().err == (
            f"error: {first} is of the {task} task and {second} is of the {other} task; "
            "compare two results of the same task\n"
        )


@pytest.mark.parametrize("content", [{}, [], {"miou": 0.5}, None, 1])
def test_a_file_of_none_of_the_tasks_is_refused(
    content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert main(["--compare", str(path), str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: not the result of a scorer, which has one of the keys classScores, averages, per_class; "
        "give a file written by `python -m cityscapes.scoring --output FILE` or by the official scorer\n"
    )


def test_only_the_task_that_is_scored_is_imported() -> None:
    program = (
        "import sys, cityscapes.scoring; "
        "raise SystemExit(any(f'cityscapes.scoring.{task}' in sys.modules for task in ('instance', 'panoptic')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_a_task_that_does_not_exist_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="task: got 'instances', expected one of pixel, instance, panoptic"):
        tasks.measure("instances", data / "good", data / "data", "val", workers=1)  # type: ignore[arg-type]


def test_a_file_of_a_terabyte_is_refused_before_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scores.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert main(["--compare", str(path), str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: got 1,099,511,627,776 bytes, expected at most 134,217,728; write it again\n"
    )
