import json
from pathlib import Path

import numpy as np
import pytest
import torch

import catalogue
from bench import contest, forward_gpu, ground_truth_fidelity
from bench.__main__ import main
from bench.fill_variations import VARIATIONS
from bench.forward import Result
from cityscapes.labels import LABEL_ID_OF
from engine.images import write_png


@pytest.mark.parametrize("name", VARIATIONS)
def test_only_the_rule_paints_as_old_pillow_did(name: str) -> None:
    assert (ground_truth_fidelity._golden(name) == 0) == (name == "the rule")


def test_ratios_are_taken_round_by_round() -> None:
    seconds = {"reference": [1.0, 10.0, 2.0], "ours": [0.5, 2.0, 1.0]}
    assert contest.ratios(seconds, "reference") == {"reference": 1.0, "ours": 2.0}


def test_forward_ways_predict_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights, image = tmp_path / "fcn8s.pth", tmp_path / "image.png"
    torch.save(catalogue.network("fcn8s", 19).state_dict(), weights)
    write_png(image, np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    found = {}
    for way in ("ancestor", "exact", "ours"):
        ids = tmp_path / f"{way}.npy"
        words = ["-m", "bench.forwarding", "cpu", way, str(weights), str(image), "70x90", "1", str(ids)]
        told = json.loads(contest.output(words).splitlines()[-1])
        assert len(told["seconds"]) == 1
        assert 0 < told["ready"] <= told["peak"]
        found[way] = np.load(ids)
    assert found["ancestor"].shape == (70, 90)
    for way in ("exact", "ours"):
        assert (LABEL_ID_OF[found["ancestor"]] == found[way]).mean() > 0.999


def test_ways_on_a_gpu_are_held_against_the_ancestors() -> None:
    ids = np.zeros((2, 2), np.uint8)
    results = {
        "ancestor": [Result([0.2, 0.1, 0.3], 10, 300, 300, ids)],
        "exact": [Result([0.1, 0.1, 0.1], 5, 200, 200, LABEL_ID_OF[ids])],
        "ours": [Result([0.02, 0.01, 0.03], 5, 75, 80, LABEL_ID_OF[np.array([[0, 0], [0, 1]])])],
    }
    found = forward_gpu.compared(results, {"ours": 0.01})
    assert found["times_as_fast_as_ancestor"]["ours"] == 10
    assert found["times_the_floor"] == {"ours": 2}
    assert found["share_of_ancestors_peak"]["ours"] == 0.25
    assert found["equal_to_exact"] == {"ancestor": 1, "exact": 1, "ours": 0.75}
    assert "10.00 x" in forward_gpu.table({"what": "some", **found})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_bench_of_gpus_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forward_gpu"]) == 2
    assert "no CUDA device found" in capsys.readouterr().err


def test_a_contender_that_fails_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground_truth_fidelity", "--samples", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert str(tmp_path / "cityscapes") in capsys.readouterr().err


def test_an_unknown_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "there are: ground_truth, " in capsys.readouterr().err
