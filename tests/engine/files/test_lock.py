"""One command at a time in a folder."""

import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.files.images import read_ids, write_png
from engine.files.lock import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from engine.files.lock import exclusive
with exclusive(Path(sys.argv[1]), "-"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock of a folder or file."""
    words = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_command_gets_a_message_until_the_first_has_ended(tmp_path: Path) -> None:
    with held(tmp_path) as first:
        with (
            pytest.raises(InputError, match="another command is working in this folder; wait for it, or give another"),
            exclusive(tmp_path, "give another --name", patience=0),
        ):
            pass
        first.send_signal(signal.SIGKILL)
    with exclusive(tmp_path, "give another --name"):
        pass


def test_the_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path, "-", patience=0):
            pass


def test_a_file_is_locked_by_itself(tmp_path: Path) -> None:
    """Its folder, which may be any, is not locked."""
    archive = tmp_path / "a.zip"
    with held(archive):
        with (
            pytest.raises(InputError, match=r"a\.zip: another command is writing this file; wait for it, or choose"),
            exclusive(archive, "choose another name", patience=0),
        ):
            pass
        with exclusive(tmp_path / "b.zip", "-", patience=0), exclusive(tmp_path, "-", patience=0):
            pass
    assert not archive.exists()


@pytest.mark.parametrize(
    ("arguments", "locked"),
    [
        ("generate_gt --root data", "data/generated_gt"),
        ("cityscapes.demo --root data --train 4 --val 3 --test 2", "data"),
        ("cityscapes.scoring --root data --predictions predicted --details scores", "scores"),
        ("cityscapes.submission pack outputs submission.zip --root data", "submission.zip"),
        ("test_fcn --model_weights_path w.pth --root data --split val --accelerator cpu", "outputs/w/val"),
        ("train_fcn --root data --network bench.tiny:build --epochs 0 --name r --accelerator cpu", "saved/r"),
    ],
)
def test_a_command_that_writes_several_files_waits_for_another(
    arguments: str,
    locked: str,
    changed_root: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, *words = arguments.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.files.lock.PATIENCE", 0)
    prepare(changed_root, weights, tmp_path)
    place = tmp_path / locked
    if place.suffix != ".zip":
        place.mkdir(parents=True, exist_ok=True)
    with held(place):
        assert importlib.import_module(module).main(words) == 2
    assert f"{locked}: another command is " in capsys.readouterr().err


def prepare(root: Path, weights: Path, folder: Path) -> None:
    """The data at data/, weights at w.pth, and predictions of val in predicted/ and of test in outputs/."""
    assert root == folder / "data"
    (folder / "w.pth").symlink_to(weights)
    for image in (root / "leftImg8bit" / "test").rglob("*.png"):
        road = np.full((128, 256), 7, np.uint8)
        write_png(folder / "outputs" / image.name.replace("_leftImg8bit", "_labelId_preds"), road)
    for mask in (root / "gtFine" / "val").rglob("*_labelIds.png"):
        write_png(folder / "predicted" / mask.name, read_ids(mask))
