"""Ctrl-C, or a package that is not installed, while commands are still importing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(("command", "slow"), [(["train_fcn.py"], "torch"), (["-m", "cityscapes.scoring"], "numpy")])
def test_ctrl_c_during_imports_gives_one_line(command: list[str], slow: str, tmp_path: Path) -> None:
    (tmp_path / f"{slow}.py").write_text("raise KeyboardInterrupt")
    ended = subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "\ninterrupted before anything was done\n")


@pytest.mark.parametrize("command", ["train_fcn.py", "test_fcn.py", "export_fcn.py"])
def test_without_torch_the_message_says_what_to_install(command: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    ended = subprocess.run(
        [sys.executable, command, "--help"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    message = 'error: this command needs torch, which is not installed: pip install "cityscapes-fcn[train]"\n'
    assert (ended.returncode, ended.stderr) == (2, message)
