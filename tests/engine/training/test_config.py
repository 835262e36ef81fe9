import dataclasses
import re

import pytest

import train_fcn
from engine.errors import InputError
from engine.training.config import LOWEST, TrainingConfig, default_name, differences
from train_fcn import TrainOptions


def test_the_command_takes_every_setting_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train_fcn.main(["--help"])
    text = capsys.readouterr().out
    for field in dataclasses.fields(TrainOptions):
        assert re.search(rf"^  --{field.name}\b.*\s+[\w(]", text, re.MULTILINE), field.name
    assert "steps whose gradients are added up before the weights change (default: 1)" in " ".join(text.split())


def test_no_setting_is_documented_twice() -> None:
    assert not {field.name for field in dataclasses.fields(TrainingConfig)} & set(TrainOptions.__annotations__)


@pytest.mark.parametrize("name", LOWEST)
def test_numbers_below_the_least_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--{name} .*: expected at least {LOWEST[name]}"):
        TrainingConfig(**{name: LOWEST[name] - 1})  # type: ignore[arg-type]


def test_all_numbers_that_make_no_sense_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        TrainingConfig(momentum=1.0, class_uniform=1.5, learning_rate=0.0, epochs=-1)
    assert len(caught.value.messages) == 4


def test_what_may_change_is_an_option() -> None:
    assert {field.name for field in dataclasses.fields(TrainOptions)} >= TrainOptions.FREE


def test_names_tell_settings_apart_but_not_what_is_free() -> None:
    def name(**config: object) -> str:
        return default_name(config, {"epochs"}, "fcn8s", "cityscapes")

    assert name(epochs=1, seed=0) == name(epochs=2, seed=0)
    assert name(epochs=1, seed=0) != name(epochs=1, seed=1)
    assert re.fullmatch(r"fcn8s-cityscapes-[0-9a-f]{8}", name(seed=0))


def test_differences_are_told_by_name() -> None:
    before = {"rate": 0.1, "epochs": 1, "gone": 7}
    now = {"rate": 0.2, "epochs": 2, "new": 3}
    assert differences(now, before, {"epochs"}, {"new": 3, "rate": 9}) == ["rate 0.1 -> 0.2"]
    assert differences(now, before, (), {"new": 4}) == ["rate 0.1 -> 0.2", "epochs 1 -> 2", "new 4 -> 3"]
