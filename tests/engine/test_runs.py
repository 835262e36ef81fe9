import json
import re
from pathlib import Path

import pytest
import torch

from engine import checkpoints
from engine.checkpoints import About
from engine.faults import InputError
from engine.runs import Run, default_name

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
    run.append({"epoch": 2, "loss": 1.0})
    run.append({"epoch": 3, "loss": 0.5})
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]


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
