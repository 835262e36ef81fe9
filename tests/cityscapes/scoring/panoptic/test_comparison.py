import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from cityscapes.scoring import main, tasks
from cityscapes.scoring.panoptic.matching import NAMES
from engine.files.atomic import write_json
from tests.cityscapes.scoring.panoptic.drawn_counts import draw_result


def official(content: dict[str, Any]) -> dict[str, Any]:
    """The keys that the official script writes."""
    return {key: content[key] for key in ("All", "Things", "Stuff", "per_class")}


def test_results_are_compared_by_class_and_on_average(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = draw_result(0, 6), draw_result(1, 6)
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, result in zip(paths, (first, second), strict=True):
        write_json(path, result.to_json())
    compared = tasks.compare(*paths)
    frame = compared.to_dataframe()
    assert list(frame.columns) == [
        "class",
        *(f"{name} {side}" for name in ("PQ", "SQ", "RQ") for side in ("A", "B", "B - A")),
    ]
    assert frame["class"].tolist() == [*NAMES, "All", "Things", "Stuff"]
    rows = {row["class"]: row for row in frame.to_dict("records")}
    assert rows["road"]["PQ A"] == pytest.approx(first.classes.pq[0], abs=1e-12)
    assert rows["Things"]["SQ B"] == pytest.approx(second.averages["Things"].sq, abs=1e-12)
    gain = second.averages["All"].rq - first.averages["All"].rq
    assert rows["All"]["RQ B - A"] == pytest.approx(gain, abs=1e-12)
    assert math.isnan(rows[NAMES[-1]]["PQ A"]), "the last class does not occur"
    assert compared.verdict().startswith("mean PQ, B - A: ")
    assert str(tasks.compare(first, second)) == str(compared).replace(str(paths[0]), "A").replace(str(paths[1]), "B")
    assert main(["--compare", *map(str, paths)]) == 0
    printed = capsys.readouterr().out
    assert printed == f"{compared}\n"
    assert main(["--compare", str(paths[0]), str(paths[0])]) == 0
    assert capsys.readouterr().out.endswith("of 6 images: may be chance\n")


@pytest.mark.parametrize("train_ids", [False, True])
def test_files_of_the_official_script_are_compared_without_an_interval(train_ids: bool, tmp_path: Path) -> None:
    """The official script has the category ids of its ground truth, which may be train ids."""
    result = draw_result(0, 6)
    content = official(result.to_json())
    if train_ids:
        content["per_class"] = {str(number): of for number, of in enumerate(content["per_class"].values())}
    path = tmp_path / "official.json"
    path.write_text(json.dumps(content))
    compared = tasks.compare(path, result)
    frame = compared.to_dataframe()
    *before, last = frame["PQ A"].iloc[: len(NAMES)].tolist()
    assert before == pytest.approx(frame["PQ B"].iloc[: len(NAMES) - 1].tolist(), abs=1e-12)
    assert last == 0, "a class that does not occur, see the official script"
    assert compared.verdict().startswith("no interval: both files must have been written by this command")


def with_change(*keys: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(draw_result(0, 6).to_json())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return content


NO_RESULTS = {
    "a score of 2": with_change("per_class", "7", "pq", value=2),
    "a text": with_change("per_class", "7", value="high"),
    "no average": with_change("All", value=None),
    "no such category": with_change("per_class", value={"99": {"pq": 1, "sq": 1, "rq": 1}}),
    "no dictionary": with_change("per_class", value=[]),
    "damaged images": with_change("images", "ulm_000000_000019", value={"iou": []}),
    "images in a list": with_change("images", value=[1]),
}


@pytest.mark.parametrize("name", NO_RESULTS)
def test_a_file_that_is_not_a_result_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    write_json(path, NO_RESULTS[name])
    assert main(["--compare", str(path), str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: not the result of a scorer (")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("per_class", "7", "pq"), r"its images add up to a PQ of [\d.]+ % for road, but its per_class say 12.5 %"),
        (
            ("per_class", "8", "rq"),
            r"its images add up to an RQ of [\d.]+ % for sidewalk, but its per_class say 12.5 %",
        ),
        (("Things", "sq"), r"its images add up to an SQ of [\d.]+ % for Things, but its averages say 12.5 %"),
    ],
)
def test_an_edited_file_is_refused(
    keys: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    write_json(path, with_change(*keys, value=0.125))
    assert main(["--compare", str(path), str(path)]) == 2
    assert re.search(message, capsys.readouterr().err)
