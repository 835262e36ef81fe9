import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench import REPOSITORY, gpu, gpu_parts, gpu_record, gpu_run, plan
from bench.__main__ import main
from bench.gpu_record import Record
from bench.gpu_settings import PartSettings
from bench.launch import Job
from bench.plan import TimeNeed

WRITES = """
import json, sys, time
from pathlib import Path
def keep(ended, failed=()):
    content = {"ended": ended, "failed": list(failed), "result": {"figure": 42}, "environment": {"commit": "abc"}}
    path = Path(sys.argv[1])
    path.with_suffix(".new").write_text(json.dumps(content))
    path.with_suffix(".new").replace(path)
"""
ENDS = f"{WRITES}\nkeep(True)"
HANGS = f"{WRITES}\nkeep(False); time.sleep(60)"
CRASHES = f"{WRITES}\nkeep(False); raise RuntimeError('CUDA error: some')"
COMPLAINS = f"{WRITES}\nkeep(True, ['a contender failed']); sys.exit(1)"


def settings(work: Path, root: Path | None = None) -> PartSettings:
    return PartSettings(
        seconds=0,
        work=work,
        output=work,
        samples=work,
        root=root,
        rehearse=True,
        parallel=1,
        chains=(),
        networks=("fcn8s",),
        seeds=(0,),
        command=("python", "-m", "bench", "gpu", "--root=/home/ann/data"),
        commit="abc",
    )


def starting(codes: dict[str, str]) -> gpu_run.StartPart:
    return lambda name, _, result, seconds: Job(["-c", codes[name], str(result)], seconds)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each part two seconds."""
    monkeypatch.setattr(gpu_run, "TIME_NEEDS", {name: TimeNeed(name, 2, 2) for name in gpu_run.TIME_NEEDS})


def parts(path: Path) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = json.loads(path.read_text())["parts"]
    return content


def test_figures_are_kept_when_parts_crash_or_hang(quick: None, tmp_path: Path) -> None:
    del quick
    codes = {"roofline": ENDS, "smoke": CRASHES, "tests": COMPLAINS, "forward": HANGS, "training_step": ENDS}
    record = Record(tmp_path / "gpu.json")
    run = gpu_run.PartRunner(settings(tmp_path), record, time.time() + 100, starting(codes))
    statuses = run.all([*codes, "camvid"])
    assert statuses == {
        "roofline": "done",
        "smoke": "failed",
        "tests": "failed",
        "forward": "killed",
        "training_step": "done",
        "camvid": "skipped",
    }
    found = parts(record.path)
    assert [found[name]["result"] for name in codes] == 5 * [{"figure": 42}]
    assert "CUDA error: some" in str(found["smoke"]["error"])
    assert found["tests"]["failed"] == ["a contender failed"]
    assert "killed at its deadline" in str(found["forward"]["failed"])
    assert "no --root" in str(found["camvid"]["failed"])
    summary = gpu._summary(record, statuses)
    assert "=== forward: killed, 2" in summary
    assert "RuntimeError: CUDA error: some" in summary


def test_parts_without_time_are_skipped_and_earlier_results_stay(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del quick
    monkeypatch.setitem(gpu_run.TIME_NEEDS, "forward", TimeNeed("forward", 1000, 2000))
    record = Record(tmp_path / "gpu.json")
    record.put("prediction", {"status": "done", "result": {"figure": 1}})
    run = gpu_run.PartRunner(settings(tmp_path), Record(record.path), time.time() + 100, starting({"roofline": ENDS}))
    assert run.all(["roofline", "forward"]) == {"roofline": "done", "forward": "skipped"}
    found = parts(record.path)
    assert found["prediction"]["result"] == {"figure": 1}
    assert "no time was left" in str(found["forward"]["failed"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_figures_are_kept_when_the_whole_run_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from bench import gpu, gpu_run
from bench.gpu_record import Record
from tests.bench.test_gpu import HANGS, settings, starting
work = Path(sys.argv[1])
with gpu._stoppable():
    run = gpu_run.PartRunner(settings(work), Record(work / "gpu.json"), time.time() + 500, starting({"forward": HANGS}))
    run.all(["forward"])
"""
    record = tmp_path / "gpu.json"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, stderr=subprocess.PIPE) as whole:
        deadline = time.monotonic() + 60
        while not (record.is_file() and parts(record)["forward"]["result"]):
            assert whole.poll() is None, whole.stderr and whole.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = psutil.Process(whole.pid).children()
        os.kill(whole.pid, number)
        whole.wait()
    assert parts(record)["forward"]["result"] == {"figure": 42}
    if number == signal.SIGKILL:  # no process was left to end them
        for child in children:
            child.kill()
    psutil.wait_procs(children, 5)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


@pytest.mark.parametrize(
    ("ended", "code", "failed", "status"),
    [
        (True, 0, [], gpu_record.DONE),
        (True, 1, ["some"], gpu_record.FAILED),
        (False, 1, [], gpu_record.FAILED),
        (False, -11, [], gpu_record.FAILED),
        (False, None, [], gpu_record.KILLED),
        (True, None, [], gpu_record.FAILED),
    ],
)
def test_status_of_a_part(ended: bool, code: int | None, failed: list[str], status: str) -> None:
    assert gpu_record.status(ended, code, failed) == status


def test_settings_survive_the_command_line(tmp_path: Path) -> None:
    for root in (None, tmp_path / "data"):
        assert PartSettings.parse(settings(tmp_path, root).dump()) == settings(tmp_path, root)


def test_wrong_flags(tmp_path: Path, error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA device found" in error_of(main, "gpu", "--output", tmp_path)
    assert "--minutes -1.0: expected more than 0" in error_of(main, "gpu", "--minutes", "-1")
    assert "no parts of weights" in error_of(main, "gpu", "--join", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_never_replaces_figures_of_a_gpu(error_of: Callable[..., str]) -> None:
    assert "choose another folder" in error_of(main, "gpu", "--rehearse", "--output", gpu.RESULTS)


def test_records_of_several_calls_are_merged(
    tmp_path: Path, error_of: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = tmp_path / "a.json", tmp_path / "b.json"
    for number, (path, name) in enumerate(zip(calls, ("roofline", "camvid"), strict=True)):
        record = Record(path)
        record.put(name, {"status": "done", "seconds": number})
        record.put("smoke", {"status": "done", "seconds": number})
    assert main(["gpu", "--merge", *map(str, calls), "--output", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'all' / 'gpu.json'}\n"
    found = parts(tmp_path / "all" / "gpu.json")
    assert {name: entry["seconds"] for name, entry in found.items()} == {"roofline": 0, "smoke": 1, "camvid": 1}
    calls[0].write_text("[]")
    assert "expected a gpu.json" in error_of(main, "gpu", "--merge", calls[0], "--output", tmp_path / "all")


def test_a_part_that_is_skipped_later_keeps_its_figures(tmp_path: Path) -> None:
    skipped, measured = {"status": "skipped", "failed": ["no time"]}, {"status": "killed", "result": {"figure": 1}}
    record = Record(tmp_path / "gpu.json")
    record.put("forward", skipped)
    assert parts(record.path)["forward"] == skipped
    record.put("forward", measured)
    record.put("forward", skipped)
    assert parts(record.path)["forward"] == {**measured, "skipped_later": ["no time"]}
    text = gpu._summary(record, {"forward": "skipped"})
    assert text == "=== forward: skipped\n  no time", "figures of another call are not printed"
    later = Record(tmp_path / "later.json")
    later.put("forward", skipped)
    gpu_record.merge([record.path, later.path], tmp_path / "all.json")
    assert parts(tmp_path / "all.json")["forward"]["result"] == {"figure": 1}
    record.put("forward", {"status": "done", "result": {"figure": 2}})
    assert parts(record.path)["forward"] == {"status": "done", "result": {"figure": 2}}


def shares(names: str, minutes: float) -> dict[str, float]:
    """Seconds that each step gets at the start of a call."""
    steps = [chosen for step in gpu_run.STEPS if (chosen := [name for name in step if name in names.split()])]
    return plan.allocate([gpu_run._step_need(step) for step in steps], 60 * minutes - gpu.END_SECONDS - 5)


def test_one_call_or_two_have_time_for_all_parts() -> None:
    assert len(shares("roofline forward training_step prediction", 4.8)) == 4
    assert len(shares(" ".join(gpu_run.TIME_NEEDS), 14)) == 6
    for minutes in (4, 5, 6, 7, 9):
        given = shares("smoke tests camvid", minutes)
        assert given["camvid"] >= sum(given.values()) / 2
        assert given["smoke+tests"] >= 90


@pytest.mark.parametrize("describes", [True, False])
def test_a_part_records_its_environment_first_and_ends_in_time(
    describes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment of a killed part is known, and its time includes the start of its process."""
    path = tmp_path / "result.json"
    seen: list[tuple[float, float, dict[str, object]]] = []

    def describe() -> dict[str, object]:
        if not describes and not seen:
            raise RuntimeError("driver/library version mismatch")
        return {"commit": None, "gpus": ["some"]}

    def run(given: PartSettings, keep: Callable[[dict[str, object]], None]) -> list[str]:
        age = time.time() - psutil.Process().create_time()
        seen.append((given.seconds, age, json.loads(path.read_text())))
        keep({"figure": 42})
        return []

    monkeypatch.setattr("engine.environment.describe", describe)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setitem(gpu_parts.PARTS, "roofline", gpu_parts.Part(run, str))
    given = replace(settings(tmp_path), seconds=5000.0, rehearse=False)
    assert gpu_parts.main(["roofline", given.dump(), str(path)]) == 0
    ((seconds, age, before),) = seen
    assert seconds == pytest.approx(5000 - age, abs=0.5)
    expected = {"commit": "abc", "gpus": ["some"]}
    assert before.get("environment") == (expected if describes else None)
    assert not before["ended"]
    after = json.loads(path.read_text())
    assert (after["ended"], after["result"], after["environment"]) == (True, {"figure": 42}, expected)


def test_fourteen_chains_run_at_the_same_time_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert gpu._part_settings(gpu._parser().parse_args([]), tmp_path, []).parallel == 14


def test_gpu_measurements_do_not_run_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bench.__main__.BENCHES", ())
    monkeypatch.setattr(gpu, "main", lambda _: pytest.fail("started"))
    assert main(["--output", str(tmp_path)]) == 0


def test_a_rehearsal_runs_the_parts_and_saves_weights(tmp_path: Path) -> None:
    """Two parts; CI runs all of them by `make rehearse`, which fails if one of them does."""
    arguments = ["--parts", "roofline", "camvid", "--networks", "fcn8s", "--seeds", "3"]
    process = Job(["-m", "bench", "gpu", "--rehearse", *arguments, "--output", str(tmp_path)])
    ended = process.wait()
    assert ended.code == 0, ended.out + ended.error
    assert ended.out.endswith("gpu.json: the record in full\nrehearsed\n")
    found = parts(tmp_path / "gpu.json")
    assert {entry["status"] for entry in found.values()} == {"done"}
    assert all(entry["rehearsal"] and "environment" in entry for entry in found.values())
    (trained,) = found["camvid"]["result"]["trainings"]  # type: ignore[index]
    assert (trained["seed"], trained["epochs_done"]) == (3, 2)
    assert set(trained["miou"]) == {"val", "test"}
    assert list(trained["files"]) == ["camvid-fcn8s-seed3.pth.1of1"]
    assert str(tmp_path) not in json.dumps(found), "a folder of this machine"
    assert main(["gpu", "--join", str(tmp_path)]) == 0
    assert (tmp_path / "camvid-fcn8s-seed3.pth").is_file()
