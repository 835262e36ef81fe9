"""Loggers whose packages are optional: here small modules of the same names and calls stand in for them."""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engine.errors import InputError
from engine.training.loggers import LOGGERS, RunLoggers, parse

ROWS = [{"epoch": epoch, "val_miou": epoch / 10, "val_iou": [0.5, None], "gpu": "a"} for epoch in (1, 2, 3)]
CLASSES = ["road", "rail track"]
CONFIG = {"epochs": 3, "loss": "ohem"}

Calls = list[tuple[Any, ...]]
Install = Callable[..., None]


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a module with these attributes in the place of a package."""

    def put(name: str, **attributes: Any) -> None:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, origin="here")
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)

    return put


@pytest.fixture
def wandb(install: Install, calls: Calls) -> None:
    def init(**settings: Any) -> Any:
        calls.append(("init", settings["id"], settings["resume"], settings["name"], settings["config"]))
        return SimpleNamespace(
            id=settings["id"] or "fresh",
            log=lambda figures, step: calls.append(("log", step, figures)),
            finish=lambda: calls.append(("finish",)),
        )

    install("wandb", init=init)


@pytest.fixture
def trackio(install: Install, calls: Calls) -> None:
    def init(**settings: Any) -> Any:
        calls.append(("init", settings["name"], settings["resume"], settings["config"]))
        return SimpleNamespace(
            name=settings["name"],
            log=lambda figures, step: calls.append(("log", step, figures)),
            finish=lambda: calls.append(("finish",)),
        )

    install("trackio", init=init)


@pytest.fixture
def mlflow(install: Install, calls: Calls) -> None:
    class MlflowClient:
        def get_experiment_by_name(self, name: str) -> Any:
            return None

        def create_experiment(self, name: str) -> str:
            calls.append(("experiment", name))
            return "7"

        def create_run(self, experiment_id: str, run_name: str) -> Any:
            calls.append(("run", experiment_id, run_name))
            return SimpleNamespace(info=SimpleNamespace(run_id="fresh"))

        def update_run(self, run_id: str, status: str) -> None:
            calls.append(("resume", run_id, status))

        def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
            calls.append(("log", run_id, [(key, value, step) for key, value, _, step in metrics], list(params)))

        def set_terminated(self, run_id: str) -> None:
            calls.append(("finish", run_id))

    install("mlflow")
    install("mlflow.tracking", MlflowClient=MlflowClient)
    install("mlflow.entities", Metric=lambda *parts: parts, Param=lambda *parts: parts)


def send(folder: Path, name: str, *numbers: int) -> None:
    """Send the first rows of the history, as many as each number says, in one start."""
    started = RunLoggers(folder, [name])
    for number in numbers:
        started.write(ROWS[:number], CLASSES, CONFIG)
    started.close()


def figures(epoch: int) -> dict[str, float]:
    return {"epoch": epoch, "val_miou": epoch / 10, "val_iou_road": 0.5}


@pytest.mark.usefixtures("wandb")
def test_wandb_gets_each_row_once_also_after_a_resume(tmp_path: Path, calls: Calls) -> None:
    send(tmp_path, "wandb", 1, 1, 2)
    send(tmp_path, "wandb", 2)
    send(tmp_path, "wandb", 2, 3)
    assert calls == [
        ("init", None, "allow", tmp_path.name, CONFIG),
        ("log", 1, figures(1)),
        ("log", 2, figures(2)),
        ("finish",),
        ("init", "fresh", "allow", tmp_path.name, CONFIG),
        ("log", 3, figures(3)),
        ("finish",),
    ]


@pytest.mark.usefixtures("trackio")
def test_trackio_gets_each_row_once_also_after_a_resume(tmp_path: Path, calls: Calls) -> None:
    send(tmp_path, "trackio", 2)
    send(tmp_path, "trackio", 3)
    assert calls == [
        ("init", tmp_path.name, "never", CONFIG),
        ("log", 1, figures(1)),
        ("log", 2, figures(2)),
        ("finish",),
        ("init", tmp_path.name, "allow", CONFIG),
        ("log", 3, figures(3)),
        ("finish",),
    ]


@pytest.mark.usefixtures("mlflow")
def test_mlflow_gets_each_row_once_also_after_a_resume(tmp_path: Path, calls: Calls) -> None:
    send(tmp_path, "mlflow", 1)
    send(tmp_path, "mlflow", 2)
    assert calls == [
        ("experiment", "cityscapes-fcn"),
        ("run", "7", tmp_path.name),
        ("log", "fresh", [], [("epochs", "3"), ("loss", "ohem")]),
        ("log", "fresh", [("val_miou", 0.1, 1), ("val_iou_road", 0.5, 1)], []),
        ("finish", "fresh"),
        ("resume", "fresh", "RUNNING"),
        ("log", "fresh", [("val_miou", 0.2, 2), ("val_iou_road", 0.5, 2)], []),
        ("finish", "fresh"),
    ]


@pytest.mark.usefixtures("wandb", "trackio")
def test_one_that_fails_keeps_no_row_from_the_others(
    tmp_path: Path, calls: Calls, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(**_: Any) -> Any:
        raise ConnectionError("no network")

    install("wandb", init=offline)
    started = RunLoggers(tmp_path, ["wandb", "trackio"])
    for number in (1, 2):
        started.write(ROWS[:number], CLASSES, CONFIG)
    started.close()
    assert [call[1] for call in calls if call[0] == "log"] == [1, 2]
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}: --logger wandb failed (ConnectionError: no network); it gets no rows from this start; "
        "history.jsonl has all rows\n"
    )


@pytest.mark.usefixtures("trackio")
def test_a_row_that_failed_is_sent_again(
    tmp_path: Path, calls: Calls, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [True]

    def log(figures: dict[str, float], step: int) -> None:
        if step == 2 and broken:
            broken.pop()
            raise TimeoutError("too slow")
        calls.append(("log", step))

    install("trackio", init=lambda **_: SimpleNamespace(name="a", log=log, finish=lambda: None))
    send(tmp_path, "trackio", 2, 3)
    assert calls == [("log", 1), ("log", 2), ("log", 3)]
    assert "too slow); its rows are sent again with the next ones" in capsys.readouterr().err


@pytest.mark.usefixtures("mlflow")
def test_a_run_whose_first_row_failed_is_not_begun_twice(
    tmp_path: Path, calls: Calls, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise TimeoutError("too slow")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["mlflow.entities"], "Metric", broken)
        send(tmp_path, "mlflow", 1)
    send(tmp_path, "mlflow", 1)
    assert [call[0] for call in calls] == ["experiment", "run", "log", "finish", "resume", "log", "finish"]
    assert "too slow" in capsys.readouterr().err


@pytest.mark.usefixtures("wandb")
def test_a_damaged_journal_is_kept_and_all_rows_are_sent_again(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    send(tmp_path, "wandb", 1)
    (tmp_path / "loggers.json").write_text("{")
    send(tmp_path, "wandb", 2)
    assert [call[1] for call in calls if call[0] == "log"] == [1, 1, 2]
    assert (tmp_path / "loggers.json.damaged").read_text() == "{"
    assert "it is kept as loggers.json.damaged, and loggers get all rows again" in capsys.readouterr().err


def test_the_names_of_loggers(install: Install) -> None:
    for name in LOGGERS:
        install(name)
    assert parse("none") == ()
    assert parse("wandb+tensorboard+wandb") == ("wandb", "tensorboard")
    with pytest.raises(InputError, match=r"no logger comet; choose from tensorboard, wandb, mlflow, trackio, several"):
        parse("wandb+comet")


def test_a_package_that_is_not_installed_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r'^--logger mlflow: mlflow is not installed; .*"cityscapes-fcn\[mlflow\]"'):
        parse("mlflow")


def test_a_folder_of_the_name_of_a_package_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    found = importlib.util.find_spec("wandb")
    if found is not None and found.origin is not None:
        pytest.skip("it is installed")
    with pytest.raises(InputError, match="wandb is not installed"):
        parse("wandb")
