"""The spelling of commands in messages."""

import sys
from pathlib import Path

import pytest

from engine.cli import invocation
from engine.cli.command import warn
from engine.cli.parser import Parser

COMMANDS = {"train_fcn": "fcn-train", "cityscapes.scoring": "cityscapes-score", "report": "fcn-report"}

TEXT = """next: python train_fcn.py --root data/demo
names of train_fcn.py's --network, or /home/me/train_fcn.py
torchrun --nproc_per_node 4 train_fcn.py --batch_size 4
run `python -m cityscapes.scoring --compare`, not python -m cityscapes.scoring.pairs or python -m camvid.scoring
next: python -m report saved outputs, not python -m report.page"""

SPELLED = """next: fcn-train --root data/demo
names of fcn-train's --network, or /home/me/train_fcn.py
torchrun --nproc_per_node 4 -m train_fcn --batch_size 4
run `cityscapes-score --compare`, not python -m cityscapes.scoring.pairs or python -m camvid.scoring
next: fcn-report saved outputs, not python -m report.page"""


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "console_commands", lambda: COMMANDS)


@pytest.mark.parametrize("program", ["/checkout/train_fcn.py", "-c", "/checkout/cityscapes/scoring/__main__.py"])
def test_a_checkout_keeps_the_scripts(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert invocation.spelled(TEXT) == TEXT


@pytest.mark.parametrize("program", ["/environment/bin/fcn-train", "cityscapes-score.exe"])
def test_a_console_command_names_console_commands(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert invocation.spelled(TEXT) == SPELLED


def test_outside_a_checkout_there_are_only_console_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(invocation, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/environment/lib/camvid/scoring.py"])
    assert invocation.spelled(TEXT) == SPELLED


def test_usage_and_errors_name_the_console_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/environment/bin/fcn-train"])
    parser = Parser(prog="train_fcn.py", epilog="python train_fcn.py --root data")
    assert parser.format_help().startswith("usage: fcn-train [-h]\n")
    assert parser.format_help().endswith("\nfcn-train --root data\n")
    with pytest.raises(SystemExit):
        parser.parse_args(["--rot"])
    assert capsys.readouterr().err == "error: there is no option --rot (see fcn-train --help)\n"


def test_warnings_name_console_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["/environment/bin/cityscapes-score"])
    warn(["two files; run python train_fcn.py", "odd\x1bname"])
    assert capsys.readouterr().err == "warning: two files; run fcn-train\nwarning: odd\\x1bname\n"
