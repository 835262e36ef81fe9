import errno
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.io import gfile

from engine.training.loggers import RunLoggers

ROWS = [{"epoch": epoch, "val_miou": epoch / 10, "val_iou": [0.5]} for epoch in (1, 2, 3)]


def loggers(folder: Path) -> RunLoggers:
    return RunLoggers(folder, ["tensorboard"])


def written(folder: Path, name: str) -> list[tuple[int, float]]:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return [(event.step, round(event.value, 4)) for event in read.Scalars(name)]


def test_each_row_is_written_once_and_into_one_file(tmp_path: Path) -> None:
    events = loggers(tmp_path)
    for number in (0, 1, 1, 3):
        events.write(ROWS[:number], ["road"], {})
    events.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert written(tmp_path, "val_miou") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert written(tmp_path, "val_iou_road") == [(1, 0.5), (2, 0.5), (3, 0.5)]


def test_a_later_start_replaces_the_events_of_an_earlier_one(tmp_path: Path) -> None:
    for number in (2, 3):
        events = loggers(tmp_path)
        events.write(ROWS[:number], ["road"], {})
        events.close()
    assert written(tmp_path, "val_miou") == [(1, 0.1), (2, 0.2), (3, 0.3)]


def test_a_full_disk_costs_a_warning_and_the_rows_are_written_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the traceback of the thread that writes."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    events = loggers(tmp_path)
    events.write(ROWS[:1], ["road"], {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gfile.LocalFileSystem, "append", full)
        events.write(ROWS[:2], ["road"], {})
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}: --logger tensorboard failed (OSError: [Errno 28] No space left on device); its rows are "
        "sent again with the next ones; history.jsonl has all rows\n"
    )
    events.write(ROWS, ["road"], {})
    events.close()
    assert written(tmp_path, "val_miou") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert capsys.readouterr().err == ""


def test_a_file_where_the_folder_should_be_costs_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tensorboard").write_text("")
    events = loggers(tmp_path)
    for _ in range(2):
        events.write(ROWS, ["road"], {})
    events.close()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.endswith("it gets no rows from this start; history.jsonl has all rows")
