"""Commands whose standard streams are full or closed."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from engine.cli.command import command, exit_process
from engine.errors import InputError
@command
def main(argv=None):
    print("results \\udc80")
    open(sys.argv[1], "w").write("a file")
    if len(sys.argv) > 2:
        raise InputError("bad\\x1b[31m.png: damaged")
    return 0
{end}(main())
"""


def shell(
    redirected: str, tmp_path: Path, *arguments: str, end: str = "exit_process"
) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", PROGRAM.format(end=end), str(tmp_path / "out.txt"), *arguments]
    line = f'exec "$@" {redirected}'
    return subprocess.run(["sh", "-c", line, "sh", *words], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("end", ["exit_process", "sys.exit"])
def test_a_full_stdout_is_reported(end: str, tmp_path: Path) -> None:
    ended = shell("> /dev/full", tmp_path, end=end)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: stdout: cannot print the results (No space left on device)")
    assert ended.stderr.count("\n") == 1


def test_no_file_gets_the_descriptor_of_a_closed_stdout(tmp_path: Path) -> None:
    ended = shell(">&-", tmp_path)
    assert ended.returncode == 0
    assert ended.stderr == "note: stdout is closed; results go to files only\n"
    assert (tmp_path / "out.txt").read_text() == "a file"


def test_errors_are_printed_on_stdout_if_stderr_is_closed(tmp_path: Path) -> None:
    ended = shell("2>&-", tmp_path, "bad")
    assert ended.returncode == 2
    assert ended.stdout == "results \\udc80\nerror: bad\\x1b[31m.png: damaged\n"
