from pathlib import Path

import pytest

from bench import contest, ground_truth_fidelity
from bench.__main__ import main
from bench.fill_variations import VARIATIONS


@pytest.mark.parametrize("name", VARIATIONS)
def test_only_the_rule_paints_as_old_pillow_did(name: str) -> None:
    assert (ground_truth_fidelity._golden(name) == 0) == (name == "the rule")


def test_ratios_are_taken_round_by_round() -> None:
    seconds = {"reference": [1.0, 10.0, 2.0], "ours": [0.5, 2.0, 1.0]}
    assert contest.ratios(seconds, "reference") == {"reference": 1.0, "ours": 2.0}


def test_a_contender_that_fails_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground_truth_fidelity", "--samples", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert str(tmp_path / "cityscapes") in capsys.readouterr().err


def test_an_unknown_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "there are: ground_truth, " in capsys.readouterr().err
