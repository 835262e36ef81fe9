import dataclasses
import math
import re

import pytest

import train_fcn
from engine.errors import InputError
from engine.training.config import RANGES, TrainingConfig, default_name, differences
from train_fcn import TrainOptions


def test_the_command_takes_every_setting_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train_fcn.main(["--help"])
    text = capsys.readouterr().out
    for field in dataclasses.fields(TrainOptions):
        assert re.search(rf"^  --{field.name}\b.*\s+[\w(]", text, re.MULTILINE), field.name
    assert "steps whose gradients are averaged before each weight update (default: 1)" in " ".join(text.split())


def test_no_setting_is_documented_twice() -> None:
    assert not {field.name for field in dataclasses.fields(TrainingConfig)} & set(TrainOptions.__annotations__)


def test_every_number_has_a_range_that_its_default_is_in() -> None:
    numbers = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    assert set(RANGES) == {name for name, value in numbers.items() if type(value) in (int, float)}
    assert all(numbers[name] in allowed for name, allowed in RANGES.items())


@pytest.mark.parametrize("name", RANGES)
def test_numbers_out_of_their_range_are_refused(name: str) -> None:
    for number in (RANGES[name].low - 1, RANGES[name].high * 2, -math.inf, math.inf, math.nan, 10**400):
        with pytest.raises(InputError, match=f"^--{name} .*: expected (at least|more than) .* and "):
            TrainingConfig(**{name: number})  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"ema": 1.0}, {"momentum": 1.0}, {"learning_rate": 0.0}])
def test_numbers_at_the_end_of_a_range_that_is_open(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"less than 1|more than 0"):
        TrainingConfig(**settings)  # type: ignore[arg-type]


def test_all_numbers_out_of_range_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        TrainingConfig(momentum=1.0, class_uniform=1.5, learning_rate=0.0, epochs=-1)
    assert len(caught.value.messages) == 4


def test_changeable_names_are_options() -> None:
    assert {field.name for field in dataclasses.fields(TrainOptions)} >= TrainOptions.CHANGEABLE


def test_names_differ_by_settings_but_not_by_changeable_ones() -> None:
    def name(**config: object) -> str:
        return default_name(config, {"epochs"}, "fcn8s", "cityscapes")

    assert name(epochs=1, seed=0) == name(epochs=2, seed=0)
    assert name(epochs=1, seed=0) != name(epochs=1, seed=1)
    assert re.fullmatch(r"fcn8s-cityscapes-[0-9a-f]{8}", name(seed=0))


def test_differences_are_listed_by_name() -> None:
    before = {"rate": 0.1, "epochs": 1, "gone": 7}
    now = {"rate": 0.2, "epochs": 2, "new": 3}
    assert differences(now, before, {"epochs"}, {"new": 3, "rate": 9}) == ["rate 0.1 -> 0.2"]
    assert differences(now, before, (), {"new": 4}) == ["rate 0.1 -> 0.2", "epochs 1 -> 2", "new 4 -> 3"]
