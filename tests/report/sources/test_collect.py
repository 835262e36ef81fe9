"""The records below some folders, as a reader of the report gets them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from report.records import Report, Run
from report.sources.collect import collect

CONFIG = {"epochs": 2, "network": "unet", "benchmark": "camvid", "root": "/data/camvid", "name": "first"}
CLASSES = 11


def row(epoch: int, miou: float | None = 0.5) -> dict[str, Any]:
    """A short row of a history."""
    lists = {f"{split}_iou": [0.25] * CLASSES for split in ("train", "val")}
    return {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1.0, "val_miou": miou, **lists}


def write_run(folder: Path, *rows: dict[str, Any], **options: Any) -> Path:
    """Write a run folder, without weights."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | options))
    (folder / "environment.json").write_text(json.dumps([{"commit": "old"}, {"commit": "new"}]))
    if rows:
        (folder / "history.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return folder


def the_run(report: Report) -> Run:
    """The only run of a report."""
    (run,) = report.runs
    return run


def test_a_run_has_its_options_epochs_and_the_environment_of_its_last_start(tmp_path: Path) -> None:
    write_run(tmp_path / "saved" / "first", row(1, 0.5), row(2, 0.4))
    run = the_run(collect([tmp_path / "saved"], None))
    assert (run.name, run.status, run.progress) == ("first", "complete", "2 of 2 epochs")
    assert run.config == CONFIG | {"root": "camvid"}  # no folder of this machine
    assert run.environment == {"commit": "new"}
    assert [one["epoch"] for one in run.history] == [1, 2]
    assert run.best is not None
    assert run.best["epoch"] == 1
    assert len(run.classes) == CLASSES
    assert run.classes[0] == "sky"
    assert run.faults == ()


@pytest.mark.parametrize(("rows", "progress"), [([], "0 of 2 epochs"), ([row(1)], "1 of 2 epochs")])
def test_a_run_with_fewer_epochs_is_unfinished(tmp_path: Path, rows: list[dict[str, Any]], progress: str) -> None:
    write_run(tmp_path / "first", *rows)
    run = the_run(collect([tmp_path], None))
    assert (run.status, run.progress) == ("unfinished", progress)
    assert run.faults == ()


def test_a_damaged_configuration_is_a_fault_of_its_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "saved" / "first", row(1))
    (folder / "config.yaml").write_text("epochs: [")
    report = collect([tmp_path / "saved"], None)
    run = the_run(report)
    assert run.status == "damaged"
    assert [fault.path for fault in run.faults] == ["saved/first/config.yaml"]
    assert "broken YAML" in run.faults[0].message
    assert report.faults == ()
