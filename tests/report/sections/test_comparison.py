import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cityscapes.scoring import tasks
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.tasks import Task
from engine.bootstrap import Interval
from engine.image_counts import ImageCounts
from report.pictures.collect import Pictures
from report.records import ClassScore, Report, ResultScores
from report.sections import comparison
from tests.report.drawn_results import CONTENT, STEMS, report_of, scores_in

Draw = Callable[..., ResultScores]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    def drawn(quality: float, task: Task = "pixel", **more: Any) -> ResultScores:
        number = len(list(tmp_path.iterdir()))
        return scores_in(tmp_path / f"{number}.json", task, CONTENT[task](quality, number, **more))

    return drawn


def section(report: Report) -> dict[str, Any]:
    content = comparison.data(report, Pictures())
    json.dumps(content, allow_nan=False)
    return content


def test_pairs_have_the_intervals_of_the_command(draw: Draw) -> None:
    first, second = draw(0.6), draw(0.7)
    found = section(report_of(first, second))["pairs"]
    assert list(found) == ["0,1"]
    compared = tasks.compare(first.path, second.path)
    low, high = compared.difference(compared.first.images, compared.second.images)
    assert found["0,1"][0] == pytest.approx([low, high], rel=1e-3)
    assert len(found["0,1"]) == 1 + len(NAMES)


def test_a_class_of_one_image_has_no_interval(draw: Draw) -> None:
    pairs = section(report_of(draw(0.6), draw(0.7)))["pairs"]
    assert pairs["0,1"][-1] is None
    assert all(pairs["0,1"][:-1])


def test_results_of_different_images_and_tasks_have_no_interval(draw: Draw) -> None:
    content = section(
        report_of(draw(0.6), draw(0.7, stems=STEMS[:6]), draw(0.6, "instance"), draw(0.7, "instance"), draw(0.6))
    )
    assert sorted(content["pairs"]) == ["0,4", "2,3"]
    assert content["sets"] == [12, 6]
    images = [result["images"] for result in content["results"]]
    assert images[0] == images[4] != images[1]
    assert [result["kind"] for result in content["results"]] == [0, 0, 1, 1, 0]


def test_results_are_ranked_with_their_difference_from_the_best(draw: Draw) -> None:
    content = section(report_of(draw(0.6), draw(0.8), draw(0.7)))
    (group,) = content["groups"]
    assert (group["name"], group["results"]) == ("cityscapes val, pixel task", [1, 2, 0])
    best, second, _ = group["behind"]
    assert best is None
    assert second["difference"] == pytest.approx(-0.1, abs=0.03)
    low, high = second["interval"]
    assert low < second["difference"] < high < 0
    assert second["certain"] is True
    assert [low, high] == comparison.of_pair(content["pairs"], 1, 2)
    assert comparison.of_pair(content["pairs"], 2, 1) == [-high, -low]


def test_a_difference_may_be_chance(draw: Draw) -> None:
    (group,) = section(report_of(draw(0.7), draw(0.7)))["groups"]
    assert group["behind"][1]["certain"] is False
    assert comparison.is_certain(None) is None
    assert comparison.is_certain([0.0, 0.1]) is False


def test_scores_are_in_the_order_of_the_classes(draw: Draw) -> None:
    scores = replace(draw(0.6), interval=Interval(0.58123456, 0.62))
    content = section(report_of(scores))
    (result,) = content["results"]
    assert content["kinds"][0]["classes"] == list(NAMES)
    assert result["scores"]["IoU"] == pytest.approx([of.figures["IoU"] for of in scores.classes], abs=1e-6)
    assert result["scores"]["iIoU"][0] is None
    assert result["interval"] == [0.58123456, 0.62]


def test_scores_without_counts_or_averages_are_listed(draw: Draw) -> None:
    full = draw(0.6)
    alone = replace(full, images=())
    empty = replace(full, classes=(), averages={}, images=())
    content = section(report_of(full, alone, empty))
    assert content["pairs"] == {}
    assert [result["images"] for result in content["results"]] == [0, None, None]
    assert [group["results"] for group in content["groups"]] == [[0, 1], [2]]


def test_counts_of_other_classes_than_the_scores_are_not_compared(draw: Draw) -> None:
    short = tuple(ImageCounts(image.stem, image.hits[:2], image.union[:2]) for image in draw(0.6).images)
    content = section(report_of(draw(0.6), replace(draw(0.7), images=short)))
    assert content["pairs"] == {}


def test_a_benchmark_of_its_own(tmp_path: Path, draw: Draw) -> None:
    images = draw(0.6).images
    classes = tuple(ClassScore(f"class {number}", {"IoU": 0.5, "Dice": None}) for number in range(len(NAMES)))
    scores = ResultScores(tmp_path / "x.json", "pixel", classes, {"IoU": 0.5}, None, images, None, "", None)
    content = section(report_of(scores, scores, benchmark=""))
    assert content["groups"][0]["name"] == "unknown benchmark val, pixel task"
    assert content["pairs"]["0,1"][0] == [0, 0]


def test_road_results_are_ranked_without_an_interval(tmp_path: Path) -> None:
    scores = [
        ResultScores(tmp_path / "x.json", "road", (), {"MaxF": value}, None, (), None, "", None)
        for value in (0.9, 0.95)
    ]
    (group,) = section(report_of(*scores, benchmark="kitti_road"))["groups"]
    assert group["results"] == [1, 0]
    assert group["behind"][1] == {"difference": pytest.approx(-0.05), "interval": None, "certain": None}


def test_groups_with_other_classes_are_numbered(draw: Draw) -> None:
    full = draw(0.6)
    names = [
        group["name"] for group in section(report_of(full, full, replace(full, classes=full.classes[:2])))["groups"]
    ]
    assert names == ["cityscapes val, pixel task", "cityscapes val, pixel task (2)"]


def test_nothing_is_scored() -> None:
    content = section(report_of())
    assert (content["results"], content["groups"], content["pairs"]) == ([], [], {})


def test_twenty_results_stay_small(draw: Draw) -> None:
    scores = draw(0.6)
    assert len(json.dumps(section(report_of(*[scores] * 20)))) < 150_000


def test_too_many_results_are_listed_but_not_compared(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_MOST", 2)
    content = section(report_of(draw(0.6), draw(0.7), draw(0.8)))
    assert list(content["pairs"]) == ["0,1"]
    assert content["groups"][0]["behind"][1] == {
        "difference": content["groups"][0]["behind"][1]["difference"],
        "interval": None,
        "certain": None,
    }


def test_the_best_result_has_a_verdict_in_words(draw: Draw) -> None:
    def verdict(*scores: ResultScores) -> dict[str, Any]:
        found: dict[str, Any] = section(report_of(*scores))["groups"][0]["verdict"]
        return found

    low, high = draw(0.6), draw(0.7)
    clear = verdict(low, high)
    assert clear["certain"] is True
    assert re.fullmatch(r"\d+\.\d\d points ahead of run-0/val \(\d+\.\d\d to \d+\.\d\d\)\.", clear["words"])
    equal = verdict(low, high, high, high)
    assert equal["certain"] is False
    assert equal["words"].startswith("run-2/val and 1 other result are so close that the difference may be chance (")
    other = verdict(low, draw(0.7, stems=STEMS[:6]))
    assert other["certain"] is None
    assert "No interval: their images differ" in other["words"]
    assert verdict(low) == {"certain": None, "words": "The only result with a score."}
