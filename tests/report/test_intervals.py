import math
from pathlib import Path

import numpy as np
import pytest

from cityscapes.scoring import main, tasks
from cityscapes.tasks import Task
from engine import bootstrap, image_counts
from engine.bootstrap import RESAMPLES
from engine.files.atomic import write_json
from report import intervals
from report.intervals import Resampled
from tests.report.drawn_results import CONTENT, STEMS, scores_in

TASKS: tuple[Task, ...] = ("pixel", "instance", "panoptic")


def resampled(path: Path, task: Task, quality: float, seed: int) -> Resampled:
    found = intervals.resample(scores_in(path, task, CONTENT[task](quality, seed)))
    assert found is not None
    return found


@pytest.mark.parametrize("task", TASKS)
def test_intervals_are_those_of_the_command(task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    found = intervals.differences(resampled(first, task, 0.6, 1), resampled(second, task, 0.7, 2))
    assert found is not None
    compared = tasks.compare(first, second)
    assert found[0] == compared.difference(compared.first.images, compared.second.images)
    assert main(["--compare", str(first), str(second)]) == 0
    low, high = found[0]
    assert f"B - A: {100 * low:+.2f} to {100 * high:+.2f} points in 95%" in capsys.readouterr().out


def test_intervals_of_classes_are_those_of_the_bootstrap(tmp_path: Path) -> None:
    scores = [scores_in(tmp_path / f"{n}.json", "pixel", CONTENT["pixel"](0.6 + n / 20, n)) for n in range(2)]
    first, second = map(intervals.resample, scores)
    assert first is not None
    assert second is not None
    found = intervals.differences(first, second)
    assert found is not None

    def of_class(images: tuple[image_counts.ImageCounts, ...], number: int) -> bootstrap.Figure:
        hits, unions = (np.array([getattr(image, name)[number] for image in images]) for name in ("hits", "union"))
        return lambda drawn: image_counts.ious(drawn @ hits, drawn @ unions)

    for number in range(19):
        expected = bootstrap.difference(len(STEMS), *(of_class(of.images, number) for of in scores))
        assert found[1 + number] == expected


def test_all_pairs_of_the_same_images(tmp_path: Path) -> None:
    results = [resampled(tmp_path / f"{number}.json", "panoptic", 0.5, number) for number in range(3)]
    other = Resampled((*STEMS[1:], "lindau_000000_000019"), results[0].figures)
    pairs = intervals.of_pairs([results[0], None, results[1], other, results[2]])
    assert sorted(pairs) == [(0, 2), (0, 4), (2, 4)]
    assert pairs[0, 4] == intervals.differences(results[0], results[2])
    assert {len(of) for of in pairs.values()} == {20}


def test_equal_results_differ_by_nothing(tmp_path: Path) -> None:
    result = resampled(tmp_path / "a.json", "instance", 0.6, 1)
    assert set(intervals.differences(result, result) or ()) == {(0.0, 0.0)}


def test_a_class_without_a_score_has_no_interval() -> None:
    figures = np.zeros((RESAMPLES, 2))
    figures[:, 1] = math.nan
    result = Resampled(STEMS, figures)
    found = intervals.differences(result, result)
    assert found is not None
    assert found[0] == (0, 0)
    assert all(map(math.isnan, found[1]))


def test_a_file_of_the_official_scorer_has_no_intervals(tmp_path: Path) -> None:
    for task in TASKS:
        content = {name: value for name, value in CONTENT[task](0.6, 1).items() if name != "images"}
        assert intervals.resample(scores_in(tmp_path / f"{task}.json", task, content)) is None


def test_a_file_that_changed_since_it_was_read_has_no_intervals(tmp_path: Path) -> None:
    scores = scores_in(tmp_path / "a.json", "instance", CONTENT["instance"](0.6, 1))
    write_json(scores.path, ["something else"])
    assert intervals.resample(scores) is None
    scores.path.unlink()
    assert intervals.resample(scores) is None
