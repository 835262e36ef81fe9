import ast
import math
import time
from pathlib import Path

import psutil
import pytest

from bench import launch
from bench.launch import Job, ProcessResult, kill_tree

SLEEPER = """
import subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(sys.argv[1]).write_text(f"{child.pid}")
print("started", flush=True)
"""


def is_gone(pid: int, seconds: float = 5) -> bool:
    """Whether a process ends in time; a zombie counts as ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_the_result_of_a_process_has_its_code_and_output() -> None:
    ended = Job(["-c", "import sys; print('out'); print('bad', file=sys.stderr); sys.exit(3)"]).wait()
    assert (ended.code, ended.out, ended.error) == (3, "out\n", "bad\n")


def run(*arguments: str, limit: float = math.inf, forked: bool) -> ProcessResult:
    """Run a process; a forked one is forked from another process, because that of the tests uses threads."""
    if not forked:
        return Job(arguments, limit).wait()
    code = """
import sys
from bench.launch import ForkedProcess, Job
print(repr(tuple(Job(sys.argv[2:], float(sys.argv[1]), start=ForkedProcess).wait())))
"""
    done = Job(["-c", code, str(limit), *arguments]).wait()
    assert done.code == 0, done.error
    return ProcessResult(*ast.literal_eval(done.out))


@pytest.mark.parametrize("forked", [False, True])
def test_a_process_past_its_deadline_is_killed_with_its_children(forked: bool, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    began = time.monotonic()
    ended = run("-c", SLEEPER + "time.sleep(60)", str(pid_file), limit=1.5, forked=forked)
    assert time.monotonic() - began < 10
    assert (ended.code, ended.out) == (None, "started\n")
    assert is_gone(int(pid_file.read_text()))


def test_children_that_a_process_leaves_running_are_killed_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    assert Job(["-c", SLEEPER, str(pid_file)]).wait().code == 0
    assert is_gone(int(pid_file.read_text()))


def test_a_process_with_a_grace_period_may_save_before_it_is_killed(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    code = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: (Path(sys.argv[1]).write_text("all"), sys.exit(0)))
print("ready", flush=True)
time.sleep(60)
"""
    ended = Job(["-c", code, str(saved)], 1.0, grace=5.0).wait()
    assert ended.code is None
    assert saved.read_text() == "all"


def test_an_interrupted_wait_kills_the_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        if pid_file.is_file() and pid_file.read_text():
            raise KeyboardInterrupt  # as Ctrl-C does

    with pytest.raises(KeyboardInterrupt):
        Job(["-c", SLEEPER + "time.sleep(60)", str(pid_file)]).wait(interrupt)
    assert is_gone(int(pid_file.read_text()))


def test_all_jobs_are_killed_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job(["-c", "import time; time.sleep(60)"]) for _ in range(3)]
    pids, order = [job.pid for job in jobs], []

    def kill(pid: int | None) -> None:
        order.append(pid)
        kill_tree(pid)

    monkeypatch.setattr(launch, "kill_tree", kill)
    launch.kill_all(jobs)
    assert order[:3] == pids
    assert all(pid is not None and is_gone(pid) for pid in pids)


@pytest.mark.parametrize("forked", [False, True])
def test_scripts_and_modules_run_as_in_the_interpreter(
    forked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME", "thing")
    script = tmp_path / "script.py"
    script.write_text("import os, sys\nprint(__name__, sys.argv[1:], os.environ['SOME'])\n")
    assert run(str(script), "a", "b", forked=forked).out == "__main__ ['a', 'b'] thing\n"
    assert run("-m", "bench.launch", forked=forked).code == 0


def test_a_fork_does_not_run_the_exit_handlers_of_its_parent(tmp_path: Path) -> None:
    """`exit_process` runs all registered handlers, for example those that remove temporary folders."""
    code = """
import atexit, sys
from pathlib import Path
from bench.launch import ForkedProcess, Job
path = Path(sys.argv[1])
atexit.register(lambda: path.write_text(path.read_text() + "x"))
print(Job(["-c", "from engine.cli.command import exit_process; exit_process(4)"], start=ForkedProcess).wait().code)
"""
    path = tmp_path / "ends"
    path.write_text("")
    assert Job(["-c", code, str(path)]).wait().out == "4\n"
    assert path.read_text() == "x"


def test_an_exception_in_a_fork_is_reported() -> None:
    ended = run("-c", "raise ValueError('some')", forked=True)
    assert ended.code == 1
    assert "ValueError: some" in ended.error
