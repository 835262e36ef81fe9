import json
import os
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

import catalogue
from bench import forward_gpu, prediction, race, training_step
from bench.__main__ import main
from bench.as_written import relu_first
from bench.contenders import forward, original
from bench.contenders import training_step as step_contenders
from bench.forward import Result, Workspace
from bench.launch import start_interpreter
from bench.prediction import Timing
from bench.race import Measurements, OutOfTimeError
from cityscapes.labels import LABEL_ID_OF
from engine.errors import InputError
from engine.files.images import write_png


def test_speedups_are_medians_over_the_rounds() -> None:
    seconds = {"reference": [1.0, 10.0, 2.0], "ours": [0.5, 2.0, 1.0]}
    assert race.speedups(seconds, "reference") == {"reference": 1.0, "ours": 2.0}


def test_contenders_of_forward_predict_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights, image = tmp_path / "fcn8s.pth", tmp_path / "image.png"
    torch.save(catalogue.network("fcn8s", 19).state_dict(), weights)
    write_png(image, np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    found = {}
    for contender in ("original", "exact", "ours"):
        ids = tmp_path / f"{contender}.npy"
        arguments = [
            "-m",
            "bench.contenders.forward",
            "cpu",
            contender,
            str(weights),
            str(image),
            "70x90",
            "1",
            str(ids),
        ]
        figures = json.loads(race.stdout_of(arguments).splitlines()[-1])
        assert len(figures["seconds"]) == 1
        assert 0 < figures["ready"] <= figures["peak"]
        found[contender] = np.load(ids)
    assert found["original"].shape == (70, 90)
    for contender in ("exact", "ours"):
        assert (LABEL_ID_OF[found["original"]] == found[contender]).mean() > 0.999


def pools_after_relu(run: Callable[[], object]) -> list[bool]:
    """For each pooling layer in a run, whether the layer before it was ReLU."""
    names: list[str] = []
    hook = register_module_forward_hook(lambda layer, *_: names.append(type(layer).__name__))
    try:
        run()
    finally:
        hook.remove()
    return [before == "ReLU" for before, name in pairwise(names) if name == "MaxPool2d"]


def test_networks_as_written_have_the_original_order_of_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our networks pool before ReLU, which moves fewer bytes."""
    monkeypatch.setitem(sys.modules, "fcn", sys.modules["fcn"])  # one contender replaces this module
    ours = catalogue.network("fcn8s", 19).eval()
    image, weights = torch.zeros(1, 3, 64, 64, dtype=torch.uint8), tmp_path / "fcn8s.pth"
    torch.save(ours.state_dict(), weights)
    write_png(tmp_path / "images" / "a_leftImg8bit.png", np.zeros((64, 64, 3), np.uint8))
    assert pools_after_relu(lambda: ours(image.float())) == 5 * [False]
    predict = forward.original_network(weights, "cpu")
    assert pools_after_relu(lambda: predict(image)) == 5 * [True]
    assert pools_after_relu(step_contenders.original_step(1, 64)) == 5 * [True]
    whole = pools_after_relu(lambda: original.main(weights, tmp_path / "images", tmp_path / "predictions"))
    assert whole == 5 * [True]
    other = relu_first(catalogue.network("fcn8s", 19)).eval()
    other.load_state_dict(ours.state_dict())
    pixels = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours(pixels), other(pixels))


def test_contenders_on_a_gpu_are_compared_with_the_original() -> None:
    ids = np.zeros((2, 2), np.uint8)
    other = LABEL_ID_OF[np.array([[0, 0], [0, 1]])]
    results = {
        "original": [Result([0.2, 0.1, 0.3], 10, 300, 200, 300, 400, ids)],
        "exact": [Result([0.1, 0.1, 0.1], 5, 200, 200, 200, 200, LABEL_ID_OF[ids])],
        "ours": [Result([0.02, 0.01, 0.03], 5, 75, 50, 80, 40, other, ["warning: some"])],
    }
    found = forward_gpu.compared(results, {"ours": 0.01})
    assert found["times_as_fast_as_original"]["ours"] == 10
    assert found["times_the_roofline"] == {"ours": 2}
    # Each share compares figures that both include the search for algorithms, or both do not.
    expected = {"allocated": 0.25, "first_image_included": 0.25, "reserved": 0.1}
    assert found["share_of_original_peak"]["ours"] == expected
    assert found["peak_allocated_mib_first_image_included"]["ours"] == 75
    assert found["equal_to_exact"] == {"original": 1, "exact": 1, "ours": 0.75}
    text = forward_gpu.table({"what": "some", "failed": {"bf16": "out of memory"}, **found})
    assert "10.00 x" in text
    assert "ours: warning: some" in text
    assert "bf16: FAILED: out of memory" in text


def test_contenders_are_reported_even_if_the_original_failed() -> None:
    results = {"ours": [Result([0.02], 5, 75, 50, 80, 40, np.zeros((2, 2), np.uint8))]}
    found = forward_gpu.compared(results, {})
    assert found["milliseconds"] == {"ours": 20}
    assert (found["times_as_fast_as_original"], found["share_of_original_peak"]) == ({}, {})
    assert "20.00 ms" in forward_gpu.table({"what": "some", **found})


def test_a_failure_stops_no_other_contender_and_is_recorded_at_once() -> None:
    notes: list[Measurements[int]] = []
    calls: list[str] = []

    def measure(name: str, left: float) -> int:
        del left
        calls.append(name)
        if name == "bad":
            raise InputError("broken")
        return len(calls)

    done = race.measure_in_turn(["good", "bad", "late"], measure, 2, on_progress=notes.append)
    assert calls == ["good", "bad", "late", "good", "late"]
    assert done.results == {"good": [1, 4], "late": [3, 5]}
    assert done.failed == {"bad": "broken"}
    assert len(notes) == 5


def test_contenders_are_measured_as_long_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("bench.race.time.monotonic", lambda: now[0])
    takes = {"slow": 10.0, "quick": 1.0}

    def measure(name: str, left: float) -> float:
        assert left > 0
        now[0] += takes[name]
        return left

    done = race.measure_in_turn(list(takes), measure, 5, seconds=20)
    assert {name: len(found) for name, found in done.results.items()} == {"slow": 1, "quick": 5}
    assert done.results["slow"][0] == 10, "half of the time, because the other contender has no result yet"
    assert done.results["quick"][0] == 10
    assert race.measure_in_turn(list(takes), measure, 5, seconds=0).results == {}


class Clock:
    """Fake clock, and contenders that take a fixed time or are killed at their limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **takes: float) -> None:
        self.now, self.takes = 100.0, takes
        self.limits: list[float] = []
        monkeypatch.setattr("bench.race.time.monotonic", lambda: self.now)

    def measure(self, name: str, limit: float) -> float:
        self.limits.append(limit)
        self.now += min(limit, self.takes[name])
        if self.takes[name] > limit:
            raise OutOfTimeError(f"{name}: killed")
        return self.takes[name]


def test_little_time_kills_no_contender_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the remaining time, 35 seconds, would be too little for the third one."""
    clock = Clock(monkeypatch, first=40, second=40, third=40, fourth=40)
    notes: list[dict[str, str]] = []
    done = race.measure_in_turn(list(clock.takes), clock.measure, 3, 150, lambda done: notes.append(dict(done.notes)))
    assert clock.limits == [75, 80, 70]
    assert list(done.results) == ["first", "second", "third"]
    assert (done.failed, done.notes) == ({}, {"fourth": "not measured: no time was left"})
    assert notes[-1] == done.notes
    assert "fourth: not measured" in race.problem_lines({"failed": {}, "notes": done.notes})[0]


def test_a_contender_killed_because_time_ran_out_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, first=40, second=55)
    done = race.measure_in_turn(list(clock.takes), clock.measure, 1, 90)
    assert clock.limits == [45, 50]
    assert (done.failed, done.notes) == ({}, {"second": "not measured: no time was left"})


def test_a_contender_that_hangs_fails_and_leaves_time_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, first=10, hangs=1000, last=10)
    done = race.measure_in_turn(list(clock.takes), clock.measure, 2, 100)
    assert clock.limits == [50, 45, 45, 35, 25]
    assert (list(done.failed), done.notes) == (["hangs"], {})
    assert [len(found) for found in done.results.values()] == [2, 2]


def test_the_most_important_contenders_are_measured_first() -> None:
    assert list(forward_gpu.CONTENDERS) == ["original", "ours", "exact", "torch", "bf16", "compiled"]
    contenders = list(training_step.CONTENDERS["cuda"].values())
    assert contenders == ["original", "graph", "ours", "fp16", "compiled", "compiled_graph"]


def test_the_time_limit_includes_preparations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring the roofline, and copying images, use up a part of it."""
    now, given = [0.0], []
    for module in (forward_gpu, prediction):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def prepare(*_: object) -> dict[str, float]:
        now[0] += 30
        return {}

    def measure_in_turn(*arguments: Any) -> Measurements[Any]:
        given.append(arguments[3])
        return Measurements()

    monkeypatch.setattr(race, "measure_in_turn", measure_in_turn)
    monkeypatch.setattr(forward_gpu, "_roofline_seconds", prepare)
    monkeypatch.setattr(Workspace, "create", prepare)
    forward_gpu.measure(tmp_path, "cpu", rounds=1, repeats=1, seconds=100)
    monkeypatch.setattr(prediction, "_populate", prepare)
    prediction.measure(tmp_path, "cpu", (2, 2), "none", rounds=1, seconds=100)
    assert given == [40, 70]


def test_predictions_are_compared_before_a_later_round_empties_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def time_contender(workspace: prediction._Workspace, name: str, limit: float) -> Timing:
        del limit
        calls.append(name)
        shutil.rmtree(workspace.predictions(name), ignore_errors=True)
        if calls.count(name) > 1:
            raise InputError("killed")
        for number in range(4 if name == "ours" else 2):  # the original loop gets fewer images
            write_png(
                workspace.predictions(name) / f"{number}.png", np.full((2, 2), number * (name == "ours"), np.uint8)
            )
        return Timing(1, 0.1)

    monkeypatch.setattr(prediction._Workspace, "time_contender", time_contender)
    monkeypatch.setattr(prediction, "_populate", lambda *_: None)
    notes: list[dict[str, Any]] = []
    record = prediction.measure(tmp_path, "cpu", (4, 2), "none", rounds=2, on_progress=notes.append)
    assert calls == 2 * ["original", "ours", "our forward alone", "PNGs alone"]
    assert [note["equal_pixels"] for note in notes] == [None, *7 * [0.5]]
    assert (record["equal_pixels"], len(record["failed"])) == (0.5, 4)
    assert prediction._agreement(prediction._Workspace(tmp_path / "empty", "cpu", start_interpreter)) is None


def test_a_contender_past_its_time_limit_is_killed_and_reported() -> None:
    with pytest.raises(InputError, match="killed after"):
        race.run_limited(["-c", "import time; time.sleep(60)"], 0.2)
    with pytest.raises(InputError, match="ended with code 3: some"):
        race.run_limited(["-c", "import sys; print('some', file=sys.stderr); sys.exit(3)"], 60)


def test_predictions_are_compared_by_seconds_per_image(tmp_path: Path) -> None:
    results = {
        "original": [Timing(9, 0.1), Timing(9, 0.2), Timing(9, 0.3)],
        "ours": [Timing(5, 0.01), Timing(5, 0.02), Timing(5, 0.03)],
        "our forward alone": [Timing(5, 0.005)],
        "PNGs alone": [Timing(5, 0.016)],
    }
    found = prediction.compared(results)
    assert found["times_as_fast_as_original"] == {"ours": 10}
    assert (found["slowest_stage"], found["times_the_slowest_stage"]) == ("PNGs alone", 1.25)
    assert prediction.compared({})["times_as_fast_as_original"] == {"ours": None}
    for number in range(20):
        path = tmp_path / f"{number}.png"
        path.touch()
        # The first two are late, as the first images of a process are.
        os.utime(path, ns=(0, (0 if number < 2 else 5 + number) * 10**9))
    assert prediction._seconds_an_image(tmp_path) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_bench_for_gpus_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forward_gpu"]) == 2
    assert "no CUDA device found" in capsys.readouterr().err


def test_missing_official_masks_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    assert main(["ground_truth_fidelity", "--samples", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert str(tmp_path / "cityscapes") in capsys.readouterr().err


def test_an_unknown_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "choose from: ground_truth, " in capsys.readouterr().err
