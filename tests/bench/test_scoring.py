import json
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.scoring import PARTS, run, table
from bench.scoring.comparison import largest_difference
from engine.errors import InputError
from tests.cityscapes.drawn_predictions import Folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small drawn scenes instead of the real samples."""
    path = tmp_path_factory.mktemp("samples")
    folder = Folder(path)
    folder.root = path / "cityscapes"
    for number in range(2):
        folder.add(number, labels=(0, 7, 24, 26), size=(64, 96))
    return path


@pytest.mark.parametrize("name", PARTS)
def test_each_part_runs_all_contenders_and_compares_them(samples: Path, name: str) -> None:
    """Each contender once, on three scenes, of which two have the same content."""
    record = run(samples, [name], images=3, rounds=0)
    part = record["parts"][name]
    assert (part["images"], part["rounds"]) == (3, 1)
    assert part["times_as_fast_as_official"]["official"] == 1
    assert {"official", "1 worker", "2 workers"} <= part["median_seconds"].keys()
    assert part.get("largest_difference", 0) < 1e-9
    assert not any(value for key, value in part.items() if key.startswith(("differing", "json")))
    printed = table(record)
    assert f"{name}: " in printed
    assert "2 workers" in printed
    assert ("differing pixels: 0" if name == "panoptic_gt" else "largest difference: ") in printed


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_figures_are_compared_by_their_place(tmp_path: Path) -> None:
    official = written(tmp_path / "a.json", {"all": [0.5, float("nan")], "labels": ["car"], "limit": float("inf")})
    ours = {"all": [0.25, None], "labels": ["car"], "limit": None, "more": 9}
    assert largest_difference(official, written(tmp_path / "b.json", ours)) == 0.25
    with pytest.raises(InputError, match=r"lacks figures of the official scorer: \['/all/1'\]"):
        largest_difference(official, written(tmp_path / "c.json", {**ours, "all": [0.5]}))
    with pytest.raises(InputError, match=r"only one of both scorers has a value for \['/all/0'\]"):
        largest_difference(official, written(tmp_path / "d.json", {**ours, "all": [None, None]}))


def test_a_part_without_time_is_reported(samples: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)official: .*killed after"):
        run(samples, ["pixel"], images=1, rounds=0, minutes=0.001)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["scoring", "--parts", "pixels"], "--parts pixels: expected some of pixel, instance, panoptic, panoptic_gt"),
        (["loader", "--rounds", "3"], "--rounds: for the bench scoring alone"),
        (["scoring", "--samples", "nothing"], "no real masks to score"),
    ],
)
def test_wrong_options(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*options, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
