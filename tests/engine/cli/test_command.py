"""How commands end."""

import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from engine.cli.command import INTERRUPTED, command

PROGRAM = """
import atexit, sys
from engine.cli.command import command, leave
@command
def main(argv=None):
    atexit.register(print, "tidied")
    print("done")
    return 7
leave(main())
"""


def test_leaving_keeps_the_code_what_was_printed_and_what_was_left_to_do() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "done\ntidied\n", "")


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1)" + PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_ctrl_c_inside_a_lock_is_an_interruption_too(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def main(argv: Sequence[str] | None = None) -> int:
        lock = threading.Lock()
        try:
            raise KeyboardInterrupt
        finally:
            lock.release()  # which nobody holds

    assert main() == INTERRUPTED
    assert capsys.readouterr().err.startswith("\ninterrupted;")


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    @command
    def main(argv: Sequence[str] | None = None) -> int:
        raise RuntimeError("cannot release un-acquired lock")

    with pytest.raises(RuntimeError, match="un-acquired"):
        main()
