"""Scores of results, and published results."""

from pathlib import Path

import numpy as np

from engine.bootstrap import Interval
from report.records import ClassScore, Confusion, Published, Result, ResultScores, Task
from report.sections.run import scores


def result_scores(
    *classes: ClassScore, confusion: Confusion | None = None, task: Task = "pixel", interval: Interval | None = None
) -> ResultScores:
    averages = {"IoU": 0.123456789, "iIoU": None}
    return ResultScores(Path("scores.json"), task, classes, averages, interval, (), confusion, "12 images", False)


def test_scores_of_classes_are_in_the_order_of_the_figures() -> None:
    road = ClassScore("road", {"IoU": 0.9, "iIoU": None}, Interval(0.8888888, 0.9111111))
    person = ClassScore("person", {"IoU": 0.5, "iIoU": 0.4})
    content = scores.content(result_scores(road, person, interval=Interval(0.1, 0.2)))
    assert content["figures"] == ["IoU", "iIoU"]
    assert content["classes"] == [["road", [0.9, None], [0.8888888, 0.9111111]], ["person", [0.5, 0.4], None]]
    assert content["averages"] == [["IoU", 0.12345679], ["iIoU", None]]
    assert content["interval"] == [0.1, 0.2]
    assert content["official"] is False
    assert content["coverage"] == "12 images"


def test_a_figure_that_only_some_classes_have_is_missing_for_the_others() -> None:
    content = scores.content(result_scores(ClassScore("road", {"IoU": 0.9}), ClassScore("car", {"iIoU": 0.4})))
    assert content["classes"] == [["road", [0.9, None], None], ["car", [None, 0.4], None]]


def test_a_confusion_matrix_has_the_classes_that_occur_in_either_mask() -> None:
    names = ("road", "sky", "train", "car")
    counts = np.array([[5, 1, 0, 0, 2], [0, 3, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.int64)
    counts[0, 3] = 4  # car does not occur, but is predicted
    content = scores.content(result_scores(confusion=Confusion(names, (*names, "no class"), counts)))["confusion"]
    assert content == {
        "unit": "pixels",
        "names": ["road", "sky", "car"],
        "columns": ["road", "sky", "car", "no class"],
        "counts": [[5, 1, 4, 2], [0, 3, 0, 0], [0, 0, 0, 0]],
    }


def test_an_empty_confusion_matrix_is_not_shown() -> None:
    empty = Confusion(("road",), ("road",), np.zeros((1, 1), np.int64))
    assert scores.content(result_scores(confusion=empty))["confusion"] is None


def test_instances_are_counted_as_such() -> None:
    confusion = Confusion(("car", "background"), ("car", "missed"), np.array([[3, 1], [2, 0]], np.int64))
    content = scores.content(result_scores(confusion=confusion, task="instance"))["confusion"]
    assert content["unit"] == "instances"
    assert content["columns"] == ["car", "missed"]


def test_the_titles_of_results() -> None:
    folder = Path("outputs")
    best = Result("demo/val", folder, "best", "val", "cityscapes")
    unknown = Result("demo/somewhere", folder, "", "", "cityscapes")
    instances = Result("demo/val", folder, "", "val", "cityscapes", scores=result_scores(task="instance"))
    again = Result("demo/again", folder, "best", "val", "cityscapes")
    assert scores.titles([best, unknown, instances]) == ["val, best weights", "demo/somewhere", "val, instance task"]
    assert scores.titles([best, again]) == ["val, best weights (demo/val)", "val, best weights (demo/again)"]


def test_a_published_result_links_to_web_pages_only() -> None:
    def published(url: str) -> Published:
        return Published("FCN", "cityscapes", "test", 0.653, {"iIoU": 0.417}, {"road": 0.974}, "fine", "Long", url)

    first, second = scores.published((published("https://example.org/fcn"), published("javascript:alert(1)")))
    assert first["url"] == "https://example.org/fcn"
    assert second["url"] == ""
    assert first["averages"] == [["iIoU", 0.417]]
    assert first["classes"] == [["road", 0.974]]
