"""Histories that are damaged, unfinished or long."""

import json
from pathlib import Path
from typing import Any

import pytest

from report.records import Fault
from report.sources import history
from report.sources.faults import Faults, Names


def read(path: Path) -> tuple[list[dict[str, Any]], tuple[Fault, ...]]:
    """The rows of a history, and its faults."""
    faults = Faults(Names([path.parent]))
    return list(history.read(path, faults).rows), faults.found


def row(epoch: int, **more: Any) -> str:
    return json.dumps({"epoch": epoch, "val_miou": 0.5, "val_iou": [0.5, 0.25], **more}) + "\n"


def test_lines_that_are_not_epochs_are_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(row(1).encode() + b'not JSON\n[1]\n{"epoch": "2"}\n\xff\xfe\n\n' + row(2).encode())
    rows, faults = read(path)
    assert [one["epoch"] for one in rows] == [1, 2]
    (fault,) = faults
    assert fault.path == f"{tmp_path.name}/history.jsonl"
    assert fault.message.startswith("got 4 lines that are not epochs (line 2, line 3, line 4, line 5), expected")


def test_a_line_that_is_still_being_written_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(row(1) + row(2)[:20])
    rows, faults = read(path)
    assert len(rows) == 1
    assert faults == ()


def test_values_that_are_not_finite_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1, "val_miou": NaN, "val_loss": Infinity, "train_loss": 1e999, "val_iou": [NaN, 0.5]}\n')
    rows, faults = read(path)
    assert rows == [{"epoch": 1, "val_miou": None, "val_loss": None, "train_loss": None, "val_iou": [None, 0.5]}]
    assert faults == ()


def test_epochs_that_occur_again_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(row(1) + row(2, val_miou=0.7) + row(2, val_miou=0.1) + row(3))
    rows, (fault,) = read(path)
    assert [(one["epoch"], one["val_miou"]) for one in rows] == [(1, 0.5), (2, 0.7), (3, 0.5)]
    assert "got 1 epoch again or too late (line 3)" in fault.message


def test_values_of_another_number_of_classes_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(row(1) + row(2, val_iou=[0.5]) + row(3))
    rows, (fault,) = read(path)
    assert ["val_iou" in one for one in rows] == [True, False, True]
    assert "got values of another number of classes in epoch 2, expected 2" in fault.message


def test_of_many_epochs_some_are_kept_with_the_best_and_the_last(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with path.open("w") as file:
        file.writelines(row(epoch, val_miou=0.9 if epoch == 7001 else 0.5) for epoch in range(1, 10_000))
    rows, faults = read(path)
    epochs = [one["epoch"] for one in rows]
    assert history.MAX_EPOCHS / 2 <= len(epochs) <= history.MAX_EPOCHS + 2
    assert epochs == sorted(epochs)
    assert {7001, 9999} <= set(epochs)
    assert faults == ()
    assert not history.read(path, Faults(Names([]))).is_whole


def test_of_a_million_epochs_few_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MAX_PARSED", 50)
    path = tmp_path / "history.jsonl"
    path.write_text("".join(map(row, range(1, 10_002))))
    rows, faults = read(path)
    assert len(rows) <= 60
    assert rows[-1]["epoch"] == 10_001
    assert faults == ()


def test_a_huge_history_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 500)
    path = tmp_path / "history.jsonl"
    path.write_text("".join(map(row, range(1, 100))))
    rows, (fault,) = read(path)
    assert 0 < len(rows) < 20
    assert "only the epochs at its beginning are shown" in fault.message


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.mkdir()
    rows, (fault,) = read(path)
    assert rows == []
    assert fault.message == "got a folder, expected a file; give a regular file"


@pytest.mark.parametrize("leads_to", ["history.jsonl", "missing.jsonl"])
def test_a_link_to_nothing(tmp_path: Path, leads_to: str) -> None:
    path = tmp_path / "history.jsonl"
    path.symlink_to(leads_to)
    rows, (fault,) = read(path)
    assert rows == []
    assert fault.message.startswith("a link to a file that does not exist; restore")
