"""The end of commands: messages and exit codes."""

import errno
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from engine.cli import streams
from engine.cli.command import BAD_INPUT, INTERRUPTED, command
from engine.errors import InputError

PROGRAM = """
import atexit, sys
from engine.cli.command import command, exit_process
@command
def main(argv=None):
    atexit.register(print, "tidied")
    print("done")
    return 7
exit_process(main())
"""


def test_exit_process_keeps_the_code_the_output_and_the_exit_handlers() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "done\ntidied\n", "")


LEFT_BEHIND = """
import multiprocessing, signal, time
def work():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(600)
context = multiprocessing.get_context("fork")
ready = context.Event()
context.Process(target=work, daemon=True).start()
ready.wait()
"""


def test_exit_process_kills_remaining_processes() -> None:
    """Python waits for them forever: a training printed its message, but its processes ignored the signal."""
    ended = subprocess.run([sys.executable, "-c", LEFT_BEHIND + PROGRAM], check=False, stdout=-1, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (7, "done\ntidied\n")


def test_a_closed_pipe_is_not_an_error() -> None:
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
            lock.release()  # a lock that is not held

    assert main() == INTERRUPTED
    assert capsys.readouterr().err.startswith("\ninterrupted;")


def test_a_bug_keeps_its_traceback() -> None:
    @command
    def main(argv: Sequence[str] | None = None) -> int:
        raise RuntimeError("cannot release un-acquired lock")

    with pytest.raises(RuntimeError, match="un-acquired"):
        main()


LIMITED = """
import resource, sys, time
from engine.cli.command import command
from engine.parallel import parallel_map
@command
def main(argv=None):
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
    list(parallel_map(time.sleep, [0.01] * 20, workers=4, title=""))
    return 0
sys.exit(main())
"""


def test_a_limit_of_the_system_is_reported_with_a_remedy() -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (
        2,
        "error: the system refuses (Too many open files); raise the limit of open files (ulimit -n), or give fewer "
        "--workers\n",
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ModuleNotFoundError("No module named 'onnx'", name="onnx"),
            r'this command needs onnx, .*"cityscapes-fcn\[export\]"',
        ),
        (MemoryError(), r"not enough memory or processes \(MemoryError\(\)\)"),
        (RuntimeError("can't start new thread"), "not enough memory or processes"),
        (OSError(errno.EIO, "Input/output error"), r"the system refuses \(Input/output error\); check the disks"),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), "a.png: Permission denied"),
    ],
)
def test_errors_of_the_system_are_messages(
    error: BaseException, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @command
    def main(argv: Sequence[str] | None = None) -> int:
        raise error

    monkeypatch.setattr(streams, "stdout_is_writable", lambda: True)
    assert main() == BAD_INPUT
    assert re.match(f"error: {expected}", capsys.readouterr().err)


def test_no_except_clause_keeps_a_signal_from_stopping_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def main(argv: Sequence[str] | None = None) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception as error:
            raise InputError("swallowed") from error
        return 0

    assert main() == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert capsys.readouterr().err.startswith("stopped by SIGTERM; what was finished is kept")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_destructor_stops_a_command_too(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python drops exceptions of destructors, with a message."""

    class Figure:
        def __del__(self) -> None:
            signal.raise_signal(number)

    @command
    def main(argv: Sequence[str] | None = None) -> int:
        figure = Figure()
        del figure
        time.sleep(10)
        return 0

    assert main() == 128 + number
    assert "what was finished is kept" in (printed := capsys.readouterr().err)
    assert "Exception" not in printed


def test_other_exceptions_in_a_destructor_are_reported_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    class Figure:
        def __del__(self) -> None:
            raise ValueError("a bug")

    @command
    def main(argv: Sequence[str] | None = None) -> int:
        figure = Figure()
        del figure
        return 0

    reported: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(str(dropped.exc_value)))
    assert main() == 0
    assert reported == ["a bug"]
