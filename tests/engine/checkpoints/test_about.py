"""Metadata of checkpoints must have possible values."""

from pathlib import Path
from typing import Any

import pytest
import torch

from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError

ABOUT = {
    "network": "fcn8s",
    "num_classes": 19,
    "benchmark": "cityscapes",
    "mean": (0.4, 0.5, 0.6),
    "std": [0.2, 0.2, 0.3],
    "epoch": 3,
    "miou": 0.5,
}
NAN = float("nan")
DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP, DEEP]  # 2^100 items if it were expanded

WRONG: dict[str, list[Any]] = {
    "network": [5, None, [], "", "x" * 1000, "\x1b[31m", DEEP],
    "num_classes": [10**12, "19", -3, 0, None, 19.0, True, 10**300, DEEP],
    "benchmark": [5, [], "", DEEP],
    "mean": [None, "abc", (0.5, 0.5), (0.5, 0.5, NAN), (0.5, 0.5, "x"), (0.5, 0.5, 1e300), 0.5, DEEP],
    "std": [None, (0.0, 1.0, 1.0), (1.0,) * 4, (1.0, 1.0, -1.0), (1.0, 1.0, float("inf")), (1, 1, 1e-320), {}],
    "epoch": [-1, None, "3", 1.5, 10**12],
    "miou": [-0.1, 2, "high", float("inf"), DEEP],
}


def saved(path: Path, about: Any, **more: Any) -> Path:
    torch.save({"format_version": 1, "about": about, "weights": {"a": torch.ones(2)}, **more}, path)
    return path


def test_impossible_values(tmp_path: Path) -> None:
    for name, values in WRONG.items():
        for value in values:
            path = saved(tmp_path / "x.pth", ABOUT | {name: value})
            with pytest.raises(InputError) as caught:
                checkpoints.load(path)
            (message,) = caught.value.messages
            assert message.startswith(f"{path}: its {name} is "), message
            assert len(message) < 500


def test_every_wrong_value_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        checkpoints.load(saved(tmp_path / "x.pth", ABOUT | {"num_classes": -1, "epoch": None}))
    assert len(caught.value.messages) == 2


@pytest.mark.parametrize("about", [None, 5, [1], "fcn8s"])
def test_metadata_of_another_kind(tmp_path: Path, about: Any) -> None:
    with pytest.raises(InputError, match=r"its metadata are .*expected names and values"):
        checkpoints.load(saved(tmp_path / "x.pth", about))


def test_values_that_may_be_unknown(tmp_path: Path) -> None:
    found = checkpoints.load(saved(tmp_path / "x.pth", ABOUT | {"benchmark": None, "miou": NAN, "epoch": 0})).about
    assert found is not None
    assert found.benchmark is None
    assert found.std == (0.2, 0.2, 0.3)
    assert checkpoints.load(saved(tmp_path / "x.pth", ABOUT)).about == About(**{**ABOUT, "std": (0.2, 0.2, 0.3)})  # type: ignore[arg-type]


def test_metadata_of_other_programs_are_not_checked(tmp_path: Path) -> None:
    torch.save({"about": "a good one", "state_dict": {"a": torch.ones(2)}, "arch": 5}, tmp_path / "x.pth")
    found = checkpoints.load(tmp_path / "x.pth")
    assert (found.about, found.arch, found.more) == (None, None, {})


def test_unknown_names_are_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.load(saved(tmp_path / "x.pth", {**ABOUT, **{f"new{number}": 1 for number in range(50)}, 5: 1}))
    assert capsys.readouterr().err.count("new") == 4
