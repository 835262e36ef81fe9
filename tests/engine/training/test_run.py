import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError
from engine.training.history import by_class
from engine.training.run import Run, default_name

REPOSITORY = Path(__file__).parents[3]
ABOUT = About("fcn8s", 19, "cityscapes", (0.0,), (1.0,), 3, 0.5)


def test_history_is_only_appended_to(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append({"epoch": 1, "loss": 2.0})
    run.append({"epoch": 2, "loss": 1.0})
    run.append({"epoch": 2, "loss": 1.0})
    assert [row["epoch"] for row in run.history()] == [1, 2]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_kill_cut_off_is_no_epoch(tmp_path: Path, cut: int) -> None:
    run = Run(tmp_path)
    run.append({"epoch": 1, "loss": 2.0})
    run.append({"epoch": 2, "loss": 1.0})
    file = tmp_path / "history.jsonl"
    file.write_text(file.read_text()[:-cut])
    run = Run(tmp_path)
    run.append({"epoch": 2, "loss": 1.0})
    run.append({"epoch": 3, "loss": 0.5})
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]


def test_rewinding_forgets_what_is_trained_again(tmp_path: Path) -> None:
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
    run.start(config | {"epochs": 5}, {"epochs"})
    assert len(json.loads((tmp_path / "a" / "environment.json").read_text())) == 2
    with pytest.raises(InputError, match=r"learning_rate 0\.1 -> 0\.2"):
        run.start(config | {"learning_rate": 0.2}, {"epochs"})


def test_names_tell_settings_apart_but_not_what_is_free() -> None:
    def name(**config: object) -> str:
        return default_name(config, {"epochs"}, "fcn8s", "cityscapes")

    assert name(epochs=1, seed=0) == name(epochs=2, seed=0)
    assert name(epochs=1, seed=0) != name(epochs=1, seed=1)
    assert re.fullmatch(r"fcn8s-cityscapes-[0-9a-f]{8}", name(seed=0))


def test_a_file_where_the_run_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="cannot write here"):
        Run(tmp_path / "a").start({}, set())


def test_checkpoints_come_back_as_they_were(tmp_path: Path) -> None:
    weights = {"a": torch.arange(3.0)}
    checkpoints.save(tmp_path / "x.pth", weights, ABOUT, row=None, step=5)
    content = checkpoints.load(tmp_path / "x.pth")
    assert content["about"] == ABOUT
    assert torch.equal(content["weights"]["a"], weights["a"])
    assert content["step"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.parametrize("nest", [None, "model_state_dict", "state_dict", "model"])
def test_state_dicts_of_other_programs(tmp_path: Path, nest: str | None) -> None:
    state = {"module.a": torch.ones(2)}
    torch.save(state if nest is None else {nest: state, "epoch": 3}, tmp_path / "x.pth")
    assert list(checkpoints.load(tmp_path / "x.pth")["weights"]) == ["a"]


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        checkpoints.load(path)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": Malicious()}, tmp_path / "x.pth")
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        checkpoints.load(tmp_path / "x.pth")
    assert capsys.readouterr().out == ""


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "x.pth", {"a": torch.ones(1000)}, ABOUT)
    whole = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        checkpoints.load(tmp_path / "x.pth")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        checkpoints.load(tmp_path / "x.pth")
    with pytest.raises(InputError, match="this is a folder"):
        checkpoints.load(tmp_path)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from engine import checkpoints
from engine.checkpoints import About
from engine.faults import command
from engine.runs import Run

@command
def main(argv=None):
    run = Run(Path(sys.argv[1]))
    run.append({"epoch": 1})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    if sys.argv[2] == "history":
        run.append({"epoch": 2, "loss": "long" * 10_000})
    about = About("fcn8s", 19, "cityscapes", (0.0,), (1.0,), 4, 0.5)
    run.save({"a": torch.ones(100_000)}, about, place=7)

sys.exit(main())
"""


@pytest.mark.parametrize(("what", "file"), [("state", "last.pth"), ("history", "history.jsonl")])
def test_a_full_disk_loses_nothing_saved_before(tmp_path: Path, what: str, file: str) -> None:
    """A limit on the size of files stands for the disk: every write beyond it fails."""
    run = Run(tmp_path)
    run.save({"a": torch.zeros(3)}, ABOUT, place=5)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), what],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / file}: cannot write")
    assert "Make room on that disk" in done.stderr
    assert "Traceback" not in done.stderr
    state = run.load()
    assert state is not None
    assert state["place"] == 5
    assert [row["epoch"] for row in run.history()] == [1]
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".last.pth.17.part").write_bytes(b"half")
    Run(tmp_path).start({}, set())
    assert not list(tmp_path.glob(".*"))


ROW = {"epoch": 1, "val_miou": 0.5, "train_miou": 0.25, "val_iou": [0.5, None], "train_iou": [0.25, 0.125]}


def test_the_history_is_a_table_too(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(ROW)
    run.append(ROW | {"epoch": 2, "val_iou": [0.75, 0.5]})
    run.publish(["road", "rail track"], draw=False)
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,val_miou,train_miou,val_iou_road,val_iou_rail_track,train_iou_road,train_iou_rail_track",
        "1,0.5,0.25,0.5,,0.25,0.125",
        "2,0.5,0.25,0.75,0.5,0.25,0.125",
    ]


def test_an_epoch_class_by_class() -> None:
    assert by_class(ROW, ["road", "rail track"]).splitlines() == [
        "IoU            val   train",
        "road         50.00   25.00",
        "rail track       -   12.50",
        "mean         50.00   25.00",
    ]
