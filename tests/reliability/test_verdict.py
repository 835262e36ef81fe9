"""The verdicts: each bad end is detected."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.reliability.operations import Fault, FaultInjector, Operation
from tests.reliability.stage import Kill, Outcome, perform
from tests.reliability.verdict import Verdict, differences, harm, of_ending, state


def ended(code: int | None, text: str = "", orphans: int = 0) -> Outcome:
    return Outcome(code, text, 0, 0, orphans)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (ended(0), Verdict.ANSWERED),
        (ended(2, "error: data/a.png: damaged"), Verdict.ANSWERED),
        (ended(2, "error: something is damaged"), Verdict.UNCLEAR),
        (ended(1, "Traceback (most recent call last):\n"), Verdict.TRACEBACK),
        (ended(0, "thread: Traceback (most recent call last):\n"), Verdict.TRACEBACK),
        (ended(-signal.SIGSEGV), Verdict.TRACEBACK),
        (ended(3, "a.png"), Verdict.TRACEBACK),
        (ended(None), Verdict.HANG),
        (ended(0, orphans=1), Verdict.HANG),
    ],
)
def test_endings(outcome: Outcome, verdict: Verdict) -> None:
    assert of_ending(outcome, 0, ["a.png"]) == verdict


def test_half_a_file_is_harm_and_a_part_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("[1]")
    before = state(tmp_path)
    end = {**before, "c.json": "whole"}
    (tmp_path / ".c.json.12.part").write_text("{")
    assert harm(before, state(tmp_path), end) is None
    assert differences(state(tmp_path), end) == ["c.json"]
    (tmp_path / "c.json").write_text("{")
    assert (harm(before, state(tmp_path), end) or "").startswith("c.json is broken")
    (tmp_path / "c.json").unlink()
    (tmp_path / "a.json").unlink()
    assert harm(before, state(tmp_path), end) == "a.json is gone"


def test_work_is_measured_killed_and_its_orphans_found(tmp_path: Path) -> None:
    """Runs in a process without threads, which can be forked."""
    words = [sys.executable, "-c", "from tests.reliability.test_verdict import forked; forked()"]
    subprocess.run(words, check=True, cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(tmp_path)})


def forked() -> None:
    """Body of the test above."""
    here = Path.cwd()

    def say() -> int:
        print("said")
        return 5

    def sleep() -> int:
        time.sleep(9)
        return 0

    def leave() -> int:
        subprocess.Popen(["sleep", "9"])
        return 0

    def disobey() -> int:
        def wait() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(9)

        multiprocessing.get_context("fork").Process(target=wait, daemon=True).start()
        time.sleep(0.2)
        return 0

    assert (perform(say, here).code, perform(say, here).text) == (5, "said\n")
    assert "ZeroDivisionError" in perform(lambda: 1 // 0, here).text
    assert perform(sleep, here, limit=0.2).code is None
    assert perform(sleep, here, kill=Kill(signal.SIGTERM, 0.1)).code == -signal.SIGTERM
    assert perform(leave, here, patience=0.2).orphans == 1
    assert perform(disobey, here, limit=0.5, patience=0.2).code is None
    assert 10 < perform(lambda: 0, here).mib < 1000


def test_the_nth_operation_fails_and_what_follows_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stat", "lstat", "scandir", "listdir", "mkdir", "rmdir", "unlink", "remove", "utime", "truncate"):
        monkeypatch.setattr(os, name, getattr(os, name))  # so that it is restored at the end
    for name in ("rename", "replace", "link", "symlink", "open", "read", "fsync", "close"):
        monkeypatch.setattr(os, name, getattr(os, name))
    monkeypatch.setattr("builtins.open", open)
    monkeypatch.setattr("io.open", open)
    path = tmp_path / "a.txt"
    path.write_text("whole")
    met: list[Operation] = []
    FaultInjector(tmp_path, Fault(Operation("read", "a.txt", 1), errno.EIO), met.append).install()
    assert path.read_text() == "whole"
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error") as caught, path.open("rb") as file:
            file.read()
        assert caught.value.filename is None, "as of a disk"
    assert (tmp_path / "b.txt").write_text("b") == 1
    assert met[:2] == [("open", "a.txt", 0), ("read", "a.txt", 0)]
    assert Operation("write", "b.txt", 0) in met


def test_a_zip_is_whole_if_its_checksums_are(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("name", b"content")
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(whole.replace(b"content", b"cantent"))
    found = state(tmp_path)
    assert not found["a.zip"].startswith("broken")
    assert found["b.zip"].startswith("broken")
