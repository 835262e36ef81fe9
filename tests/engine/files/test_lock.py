"""One command at a time in a folder."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.lock import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from engine.files.lock import exclusive
with exclusive(Path(sys.argv[1]), "-"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_command_gets_a_message_until_the_first_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match="another command is working in this folder; wait for it, or give another"),
            exclusive(tmp_path, "give another --name", patience=0),
        ):
            pass
        first.send_signal(signal.SIGKILL)
    with exclusive(tmp_path, "give another --name"):
        pass


def test_the_same_command_may_come_again(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path, "-", patience=0):
            pass
