import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.errors import InputError
from engine.training.run import Run, State, find_run

REPOSITORY = Path(__file__).parents[3]
ABOUT = About("fcn8s", 19, "cityscapes", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 3, 0.5)
EPOCH_METRICS = {"losses": torch.zeros(2, dtype=torch.float64), "counts": torch.zeros(19, 20, dtype=torch.int64)}
STATE = State(
    {"a": torch.zeros(3)}, ABOUT, None, None, {"state": {}, "param_groups": []}, {}, 5, EPOCH_METRICS, None, None
)


def test_history_is_only_appended_to(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append({"epoch": 1, "loss": 2.0})
    run.append({"epoch": 2, "loss": 1.0})
    run.append({"epoch": 2, "loss": 1.0})
    assert [row["epoch"] for row in run.history()] == [1, 2]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_an_unfinished_line_is_not_an_epoch(tmp_path: Path, cut: int) -> None:
    run = Run(tmp_path)
    run.append({"epoch": 1, "loss": 2.0})
    run.append({"epoch": 2, "loss": 1.0})
    file = tmp_path / "history.jsonl"
    file.write_text(file.read_text()[:-cut])
    run = Run(tmp_path)
    run.append({"epoch": 2, "loss": 1.0})
    run.append({"epoch": 3, "loss": 0.5})
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]


def test_rewinding_removes_epochs_that_are_trained_again(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        Run(tmp_path).append({"epoch": epoch, "loss": 2.0})
    run = Run(tmp_path)
    run.rewind(1)
    run.append({"epoch": 2, "loss": 1.0})
    assert run.history() == [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]
    assert not list(tmp_path.glob(".*"))


def test_the_same_settings_come_back_to_the_same_run(tmp_path: Path) -> None:
    config = {"epochs": 2, "learning_rate": 0.1}
    run = Run(tmp_path / "a")
    run.start(config, {"epochs"})
    run.save(STATE)
    run.start(config | {"epochs": 5}, {"epochs"})
    starts = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert len(starts) == 2
    assert all(datetime.fromisoformat(start["began"]).utcoffset() == timedelta() for start in starts)
    with pytest.raises(InputError, match=r"learning_rate 0\.1 -> 0\.2"):
        run.start(config | {"learning_rate": 0.2}, {"epochs"})


def test_a_run_of_an_earlier_version_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its config lacks a new option, which gets its default, and contains a removed one, which is ignored."""
    run = Run(tmp_path / "a")
    run.start({"rate": 0.1, "gone": 7}, set())
    run.save(STATE)
    now, defaults = {"rate": 0.1, "new": 3}, {"rate": 0.5, "new": 3}
    run.start(now, set(), defaults)
    assert (
        capsys.readouterr().err == f"note: {tmp_path}/a/config.yaml: ignored gone 7, which this version does not know\n"
    )
    assert run.config() == now
    run.start(now, set(), defaults)
    assert capsys.readouterr().err == "", "said once"


def test_a_new_option_with_another_value_than_its_default_is_a_difference(tmp_path: Path) -> None:
    run = Run(tmp_path / "a")
    run.start({"rate": 0.1}, set())
    run.save(STATE)
    with pytest.raises(InputError, match=r"other options \(new 3 -> 4\)"):
        run.start({"rate": 0.1, "new": 4}, set(), {"new": 3})


@pytest.mark.parametrize("content", ["", "- 1", "a: [1", "\x00"])
def test_a_configuration_that_is_damaged(tmp_path: Path, content: str) -> None:
    Run(tmp_path).save(STATE)
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(InputError, match=r"config\.yaml: damaged"):
        Run(tmp_path).start({}, set())


def test_a_failed_start_does_not_fix_the_settings(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.start({"loss": "dise"}, set())
    run.start({"loss": "dice"}, set())
    assert run.config() == {"loss": "dice"}


def test_the_name_of_a_run_outlives_a_new_option(tmp_path: Path) -> None:
    def find(defaults: dict[str, object], **config: object) -> Run:
        return find_run(tmp_path, config, {"epochs"}, defaults, "fcn8s", "cityscapes")

    begun = find({}, rate=0.1, epochs=1)
    begun.start({"rate": 0.1, "epochs": 1}, {"epochs"})
    assert find({}, rate=0.1, epochs=5).folder == begun.folder
    assert find({"new": 3}, rate=0.1, epochs=5, new=3).folder == begun.folder
    assert find({"new": 3}, rate=0.1, epochs=5, new=4).folder != begun.folder
    assert find({"new": 3}, rate=0.2, epochs=5, new=3).folder != begun.folder


def test_several_runs_that_differ_in_removed_options(tmp_path: Path) -> None:
    for gone in (1, 2):
        config = {"rate": 0.1, "gone": gone}
        find_run(tmp_path, config, set(), {}, "fcn8s").start(config, set())
    with pytest.raises(InputError, match=r"several runs have these options \(fcn8s-\w+, fcn8s-\w+\); choose one with"):
        find_run(tmp_path, {"rate": 0.1}, set(), {}, "fcn8s")


def test_a_state_comes_back_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path)
    assert run.load() is None
    run.save(STATE)
    state = run.load()
    assert state is not None
    assert torch.equal(state.weights["a"], STATE.weights["a"])
    assert all(map(torch.equal, state.epoch_metrics.values(), EPOCH_METRICS.values()))
    assert {**vars(state), "weights": None, "epoch_metrics": None} == {
        **vars(STATE),
        "weights": None,
        "epoch_metrics": None,
    }
    assert capsys.readouterr().err == ""


def changed_state(run: Run, lacking: str = "", **changes: object) -> None:
    """A state file with changes."""
    run.save(STATE)
    content = {**torch.load(run.last, weights_only=True), **changes}
    content.pop(lacking, None)
    torch.save(content, run.last)


def test_a_state_from_before_there_were_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_state(Run(tmp_path), lacking="format_version")
    state = Run(tmp_path).load()
    assert state is not None
    assert state.steps_done == 5
    assert capsys.readouterr().err == ""


def test_a_state_with_the_field_names_of_an_earlier_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path)
    run.save(STATE)
    content = torch.load(run.last, weights_only=True)
    earlier = {"ema": "average", "steps_done": "place", "epoch_metrics": "tally"}
    assert earlier.keys() <= content.keys()
    torch.save({earlier.get(name, name): value for name, value in content.items()}, run.last)
    state = run.load()
    assert state is not None
    assert state.steps_done == 5
    assert capsys.readouterr().err == ""


def test_a_state_of_a_later_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_state(Run(tmp_path), phase=3, format_version=2)
    state = Run(tmp_path).load()
    assert state is not None
    assert state.steps_done == 5
    notes = capsys.readouterr().err
    assert "last.pth: of format version 2" in notes
    assert "last.pth: ignored phase, which this version does not know" in notes


@pytest.mark.parametrize(("version", "remedy"), [(1, "the file is damaged"), (2, "a newer version of this program")])
def test_a_state_that_lacks_a_needed_field(tmp_path: Path, version: int, remedy: str) -> None:
    changed_state(Run(tmp_path), lacking="steps_done", format_version=version)
    with pytest.raises(InputError, match=f"last.pth: lacks steps_done; .*{remedy}"):
        Run(tmp_path).load()


def test_a_file_where_the_run_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="cannot write here"):
        Run(tmp_path / "a").start({}, set())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from engine import checkpoints
from engine.checkpoints import About
from engine.cli.command import command
from engine.training.run import Run, State

@command
def main(argv=None):
    run = Run(Path(sys.argv[1]))
    run.append({"epoch": 1})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    if sys.argv[2] == "history":
        run.append({"epoch": 2, "loss": "long" * 10_000})
    about = About("fcn8s", 19, "cityscapes", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 4, 0.5)
    run.save(State({"a": torch.ones(100_000)}, about, None, None, {}, {}, 7, {}, None, None))

sys.exit(main())
"""


@pytest.mark.parametrize(("what", "file"), [("state", "last.pth"), ("history", "history.jsonl")])
def test_a_full_disk_loses_nothing_saved_before(tmp_path: Path, what: str, file: str) -> None:
    """A limit on the size of files simulates a full disk: every write beyond it fails."""
    run = Run(tmp_path)
    run.save(STATE)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), what],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / file}: cannot write")
    assert "on that disk" in done.stderr
    assert "Traceback" not in done.stderr
    state = run.load()
    assert state is not None
    assert state.steps_done == 5
    assert [row["epoch"] for row in run.history()] == [1]
    assert not list(tmp_path.glob(".*"))


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".last.pth.17.part").write_bytes(b"half")
    Run(tmp_path).start({}, set())
    assert not list(tmp_path.glob(".*"))


ROW = {"epoch": 1, "val_miou": 0.5, "train_miou": 0.25, "val_iou": [0.5, None], "train_iou": [0.25, 0.125]}


def test_the_history_is_a_table_too(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(ROW)
    run.append(ROW | {"epoch": 2, "val_iou": [0.75, 0.5]})
    classes = SimpleNamespace(names=("road", "rail track"))
    benchmark = cast("Benchmark", SimpleNamespace(name="some", classes=classes, terms=""))
    run.publish(benchmark, 7, None, curves="none", logger="none")
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,val_miou,train_miou,val_iou_road,val_iou_rail_track,train_iou_road,train_iou_rail_track",
        "1,0.5,0.25,0.5,,0.25,0.125",
        "2,0.5,0.25,0.75,0.5,0.25,0.125",
    ]
