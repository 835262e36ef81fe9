"""How commands end."""

import subprocess
import sys

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
