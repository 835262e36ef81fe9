import os
import signal
import subprocess
import sys
import threading

import pytest

from engine.errors import InputError
from engine.parallel import parallel_map

PROGRAM = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
from engine.cli.command import command
from engine.parallel import parallel_map

@command
def main(argv=None):
    for number, _ in parallel_map(time.sleep, [0.05] * 1000, workers=2, title=""):
        print(number, flush=True)
    return 0

if __name__ == "__main__":
    if len(sys.argv) > 1:  # beside a thread workers are not forked, but started by a server
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    sys.exit(main())
"""


def shout(text: str) -> str:
    if text == "bad":
        raise InputError("bad: it is bad")
    if text == "broken":
        raise OSError(28, "No space left on device", "a.png")
    if text == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return text.upper()


@pytest.mark.parametrize("workers", [1, 3])
def test_parallel_map_keeps_order_and_errors(workers: int) -> None:
    words = ["a", "bad", "c", "d"] * 10
    done = list(parallel_map(shout, words, workers=workers, title=""))
    assert [item for item, _ in done] == words
    assert [str(result) for _, result in done] == ["A", "bad: it is bad", "C", "D"] * 10


@pytest.mark.parametrize("workers", [1, 3])
def test_other_errors_are_raised_unchanged(workers: int) -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        list(parallel_map(shout, ["a", "broken", "c"] * 5, workers=workers, title=""))
    assert raised.value.filename == "a.png"
    assert "in shout" in "".join(getattr(raised.value, "__notes__", ["in shout"]))


def test_a_killed_worker_ends_the_work() -> None:
    with pytest.raises(RuntimeError, match="a worker was killed"):
        list(parallel_map(shout, ["a", "b", "deadly", "d"] * 5, workers=2, title=""))


def test_workers_stop_when_results_are_no_longer_read() -> None:
    results = parallel_map(shout, ["a"] * 1000, workers=2, title="")
    assert next(results) == ("a", "A")
    results.close()  # type: ignore[attr-defined]  # a generator


def test_no_thread_is_left_so_that_workers_can_be_forked_again() -> None:
    before = threading.active_count()
    assert len(list(parallel_map(shout, ["a"] * 5, workers=2, title=""))) == 5
    assert threading.active_count() == before


def test_ctrl_c_ends_the_workers_without_their_tracebacks() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)  # comes back only once the workers have closed the pipes too
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("started_by", [[], ["a server"]], ids=["forked", "started by a server"])
def test_workers_end_with_their_parent(number: signal.Signals, started_by: list[str]) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *started_by], stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)  # comes back only once the workers have closed the pipes too
    if number == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        assert errors == "stopped by SIGTERM; what was finished is kept; run the same command to resume\n"
    else:
        assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in errors
