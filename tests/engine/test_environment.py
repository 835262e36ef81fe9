import sys

import pytest

from engine import environment


def test_the_command_names_no_folder_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/home/ann/fcn/train_fcn.py", "--root=/data/cityscapes", "--saved", "/home/ann/saved", "--cache=cache/a"]
    monkeypatch.setattr(sys, "argv", words)
    expected = ["train_fcn.py", "--root=cityscapes", "--saved", "saved", "--cache=cache/a"]
    assert environment.describe()["command"] == expected
