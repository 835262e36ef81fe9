import errno
import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.io import gfile

from engine.errors import InputError
from engine.training.events import Events

ROWS = [{"epoch": epoch, "val_miou": epoch / 10, "val_iou": [0.5]} for epoch in (1, 2, 3)]


def test_each_row_is_written_once_and_into_one_file(tmp_path: Path) -> None:
    events = Events(tmp_path / "tensorboard")
    for number in (0, 1, 1, 3):
        events.write(ROWS[:number])
    events.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [event.step for event in read.Scalars("val_miou")] == [1, 2, 3]


def test_a_full_disk_is_reported_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The thread of TensorBoard that writes must not print a traceback."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    events = Events(tmp_path / "tensorboard")
    events.write(ROWS[:1])
    monkeypatch.setattr(gfile.LocalFileSystem, "append", full)
    with pytest.raises(InputError, match=r"tensorboard: cannot write TensorBoard events \(No space left on device\)"):
        events.write(ROWS)
    events.close()
    assert capsys.readouterr().err == ""


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(InputError, match="cannot write TensorBoard events"):
        Events(tmp_path / "tensorboard").write(ROWS)
