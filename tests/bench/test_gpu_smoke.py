import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import profile_fcn
import test_fcn
import train_fcn
from bench import gpu_smoke
from bench.gpu_settings import PartSettings
from bench.launch import Job, kill_all
from engine.cli import options
from tests.bench.test_gpu import settings


class Kept(list[dict[str, Any]]):
    """All results that a part saved, in their order."""

    def __call__(self, result: dict[str, Any]) -> None:
        self.append({name: list(value) for name, value in result.items()})


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PartSettings]:
    """Settings for chains of small programs, which run in new interpreters, because this process uses threads."""
    monkeypatch.setattr(PartSettings, "start", property(lambda _: None))
    monkeypatch.setattr(gpu_smoke, "Job", lambda arguments, limit, *_: Job(arguments, limit))

    def build(seconds: float, **chains: tuple[str, ...]) -> PartSettings:
        monkeypatch.setattr(gpu_smoke, "CHAINS", chains)
        return replace(settings(tmp_path), seconds=seconds, parallel=2)

    return build


def program(text: str) -> str:
    return shlex.join(["-c", text])


def test_a_chain_ends_with_its_first_failure_and_the_others_continue(
    make_settings: Callable[..., PartSettings],
) -> None:
    fails = program("import sys; print('trouble in {work}', file=sys.stderr); sys.exit(3)")
    save_result = Kept()
    failed = gpu_smoke.run(
        make_settings(60, first=(program("1"), fails, program("2")), second=(program("'{chain}'"), program("3"))),
        save_result,
    )
    rows = save_result[-1]["commands"]
    assert [(row["chain"], row["code"]) for row in rows if row["chain"] == "first"] == [("first", 0), ("first", 3)]
    assert [row["code"] for row in rows if row["chain"] == "second"] == [0, 0]
    (bad,) = [row for row in rows if row["code"]]
    assert bad["error"] == "trouble in WORK\n"
    assert len(failed) == 1
    assert "code 3" in failed[0]
    assert "trouble in WORK" in gpu_smoke.table(save_result[-1])
    assert [len(result["commands"]) for result in save_result] == [1, 2, 3, 4, 4], "each as soon as it ended"


def test_commands_without_time_are_reported(make_settings: Callable[..., PartSettings]) -> None:
    save_result = Kept()
    sleeps = (program("import time; time.sleep(60)"),)
    failed = gpu_smoke.run(
        make_settings(1.0, slow=sleeps, slower=sleeps, never=(program("1"),), quick=(program("1"),)), save_result
    )
    assert save_result[-1]["not_ended"] == ["slow", "slower", "never", "quick"]
    assert len(failed) == 4
    assert "not ended: never" in gpu_smoke.table(save_result[-1])


def test_results_are_saved_before_anything_is_killed(
    make_settings: Callable[..., PartSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes on a GPU may take longer to end than there is time."""
    save_result, kept = Kept(), []

    def kill(jobs: list[Job]) -> None:
        kept.append((len(jobs), list(save_result)[-1]))
        kill_all(jobs)

    monkeypatch.setattr(gpu_smoke, "kill_all", kill)
    gpu_smoke.run(make_settings(3.0, slow=(program("import time; time.sleep(60)"),)), save_result)
    assert kept == [(1, {"commands": [], "not_ended": ["slow"]})]


def test_a_command_that_hangs_is_killed(
    make_settings: Callable[..., PartSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_smoke, "_COMMAND_SECONDS", 2.0)
    save_result = Kept()
    chains = {"hangs": (program("import time; time.sleep(60)"),), "works": (program("1"),)}
    (message,) = gpu_smoke.run(make_settings(60, **chains), save_result)
    assert "killed at its deadline" in message
    assert sorted((row["chain"], row["code"]) for row in save_result[-1]["commands"]) == [("hangs", None), ("works", 0)]


COMMANDS = {
    "train_fcn.py": (train_fcn.TrainOptions, train_fcn.RECIPES),
    "test_fcn.py": (test_fcn.PredictionOptions, None),
    "profile_fcn.py": (profile_fcn.ProfileOptions, None),
}


@pytest.mark.parametrize("rehearse", [False, True])
@pytest.mark.parametrize("name", gpu_smoke.CHAINS)
def test_all_commands_parse(name: str, rehearse: bool, tmp_path: Path) -> None:
    """This includes the flags for GPUs, which a rehearsal cannot try."""
    values = gpu_smoke.placeholders(replace(settings(tmp_path), rehearse=rehearse)) | {"chain": "some"}
    for template in gpu_smoke.CHAINS[name]:
        arguments = shlex.split(template.format_map(values))
        if arguments[0] in COMMANDS:
            kind, recipes = COMMANDS[arguments[0]]
            options.parse(kind, arguments[1:], prog="some", description="", examples=(), recipes=recipes)


def test_independent_predictions_and_profiles_have_their_own_chains() -> None:
    for name, chain in gpu_smoke.CHAINS.items():
        scripts = [command.split()[0] for command in chain]
        if set(scripts) & {"profile_fcn.py", "test_fcn.py"} and "train_fcn.py" not in scripts:
            assert len(chain) == 1, name
        for command in chain:
            assert ("--seconds 0.3" in command) == command.startswith("profile_fcn.py")
            assert "--workers 1" in command or not command.startswith("test_fcn.py"), "scoring must not start processes"


def test_every_option_of_training_and_prediction_on_a_gpu_has_a_chain() -> None:
    commands = " ".join(command for chain in gpu_smoke.CHAINS.values() for command in chain)
    for flag in ("data_on", "cuda_graph", "ema", "validate_every", "metrics_every", "kernels", "memory_budget"):
        assert f"--{flag} " in commands, flag
