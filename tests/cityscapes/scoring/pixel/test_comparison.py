import json
import math
import re
from pathlib import Path

import pytest

from cityscapes.scoring import main, measure
from cityscapes.scoring.pixel import images
from engine.files.atomic import write_json
from tests.cityscapes.drawn_predictions import argv


def test_results_are_compared_by_class(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("good", "bad"):
        assert main(argv(data, name, "--output", str(data / f"{name}.json"))) == 0
    capsys.readouterr()
    assert main(["--compare", str(data / "bad.json"), str(data / "good.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A  {data / 'bad.json'}"
    assert sum(line.startswith(images.NAMES) for line in lines) >= 19
    (mean,) = (line for line in lines if line.startswith("mean  "))
    before, after, gain = map(float, mean.split()[1:4])
    assert gain == pytest.approx(after - before, abs=0.11)
    assert gain > 0
    assert lines[-1].endswith("8 images: more than chance")
    assert main(["--compare", str(data / "good.json"), str(data / "good.json")]) == 0
    assert capsys.readouterr().out.endswith("may be chance\n")


def test_a_result_of_the_official_scorer_is_compared_without_an_interval(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = measure(data / "good", data / "data", "val")
    (data / "official.json").write_text(json.dumps(result.scores.to_json()))
    assert main(["--compare", str(data / "official.json"), str(data / "official.json")]) == 0
    assert "no interval: both files must have been written by this command" in capsys.readouterr().out


def test_null_and_nan_mean_no_score(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Null is the value of this scorer, NaN that of the official one."""
    result = measure(data / "good", data / "data", "val")
    write_json(data / "strict.json", result.to_json())
    (data / "loose.json").write_text(json.dumps(result.to_json()))
    assert "NaN" in (data / "loose.json").read_text()
    json.loads((data / "strict.json").read_text(), parse_constant=pytest.fail)
    assert main(["--compare", str(data / "strict.json"), str(data / "loose.json")]) == 0
    assert "may be chance" in capsys.readouterr().out


def with_score(road: object) -> str:
    return json.dumps({"classScores": {"road": road}, "classInstScores": {}})


def with_image(hits: list[int], unions: list[int]) -> str:
    return json.dumps({"classScores": {}, "classInstScores": {}, "images": {"a": {"hits": hits, "unions": unions}}})


NO_RESULTS = [
    None,
    "{",
    "[]",
    '{"classScores": {"unicorn": 1}, "classInstScores": {}}',
    *map(with_score, ["1", True, -math.inf, 10**400]),
    with_image([1], [1]),
    with_image([10**400] * 19, [10**400] * 19),
    with_image([2] * 19, [1] * 19),
    "[" * 100_000,
    '{"classScores": ' * 5000,
    "9" * 10_000,
]


@pytest.mark.parametrize("content", NO_RESULTS, ids=range(len(NO_RESULTS)))
def test_a_file_that_is_not_a_result_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    assert main(["--compare", str(path), str(path)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {path}: ")
    assert len(printed) < 500


def test_a_file_combined_from_two_results_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = measure(data / "good", data / "data", "val").to_json()
    content["classScores"]["road"] *= 0.9
    write_json(data / "mixed.json", content)
    assert main(["--compare", str(data / "mixed.json"), str(data / "mixed.json")]) == 2
    assert re.search(r"its images add up to an IoU of [\d.]+ % for road, but its classSc", capsys.readouterr().err)


def test_predictions_or_a_comparison_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "give --predictions DIR, or --compare" in capsys.readouterr().err


def test_a_comparison_refuses_options_that_it_would_ignore(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(data / "bad.json"), str(data / "good.json")]
    with pytest.raises(SystemExit, match="2"):
        main(["--compare", *files, "--boundary", "--output", "c.json"])
    assert "leave out --output, --boundary (see" in capsys.readouterr().err
