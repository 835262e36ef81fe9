"""Fuzzing: every parser reads randomly damaged files; the n-th input depends on its number only."""

import json
import mmap
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from bench import REPOSITORY
from tests.reliability.parser import Parser, attempt
from tests.reliability.parsers import PARSERS
from tests.reliability.record import Case, Totals
from tests.reliability.stage import perform
from tests.reliability.verdict import Verdict

_LONGEST = 10
"""Seconds after which an input counts as a hang."""
_BATCH_LIMIT = 900


class _TooLong(BaseException):
    """Raised when an input takes too long; a BaseException, so that no parser catches it."""


def run(name: str, start: int, stop: int, world: Path, scratch: Path) -> Totals:
    """Try a parser with some inputs, in a new process, which may crash."""
    parser, totals = PARSERS[name], Totals()
    results = scratch / "totals.json"
    with (scratch / "progress").open("w+b") as file:
        file.write(bytes(8))
        file.flush()
        progress = mmap.mmap(file.fileno(), 8)

        def work() -> int:
            signal.signal(signal.SIGALRM, _alarm)
            tried = Totals().add(_tries(name, parser, start, stop, world, progress))
            results.write_text(json.dumps(tried.plain()))
            return 0

        outcome = perform(work, scratch, limit=_BATCH_LIMIT)
        if outcome.code == 0:
            totals.merge(json.loads(results.read_text()))
            totals.mib = max(totals.mib, outcome.mib)
            return totals
        (reached,) = struct.unpack("q", progress[:])
    verdict = Verdict.HANG if outcome.code is None else Verdict.TRACEBACK
    totals.add([Case(f"{name} {reached}", verdict, f"ended with {outcome.code}\n{outcome.text}")])
    for first, last in ((start, reached), (reached + 1, stop)):
        if first < last:
            totals.merge(run(name, first, last, world, scratch).plain())
    return totals


def run_guided(name: str, start: int, stop: int, world: Path, scratch: Path) -> Totals:
    """Try a parser as `run` does, with inputs that atheris chooses."""
    results = scratch / "totals.json"
    words = [sys.executable, "-m", "tests.reliability.guided", name, stop - start, start, world, results]
    began, text = time.monotonic(), ""
    with (scratch / "said").open("w+") as said:
        process = subprocess.Popen([*map(str, words)], cwd=REPOSITORY, stdout=said, stderr=said)
        try:
            code: int | None = process.wait(_BATCH_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait() and None
        said.seek(0)
        text = said.read()[-2000:]
    totals = Totals().merge(json.loads(results.read_text())) if results.is_file() else Totals()
    if code != 0 or not results.is_file():
        verdict = Verdict.HANG if code is None else Verdict.TRACEBACK
        what = f"{name}, guided, seed {start}"
        totals.add([Case(what, verdict, f"ended with {code}\n{text}", time.monotonic() - began)])
    return totals


def content_of(name: str, number: int, world: Path) -> bytes:
    """The n-th input of a parser, to inspect a failure."""
    rng = random.Random(f"{name} {number}")
    return PARSERS[name].mutate(rng.choice(PARSERS[name].seeds(world)), rng)


def _tries(name: str, parser: Parser, start: int, stop: int, world: Path, progress: mmap.mmap) -> Iterator[Case]:
    seeds = parser.seeds(world)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / f"input{parser.suffix}"
        for number in range(start, stop):
            progress[:] = struct.pack("q", number)
            rng = random.Random(f"{name} {number}")
            content = parser.mutate(rng.choice(seeds), rng)
            yield _timed(parser, content, path, world, f"{name} {number}")


def _timed(parser: Parser, content: bytes, path: Path, world: Path, what: str) -> Case:
    began = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    try:
        case = attempt(parser, content, path, world, what)
    except _TooLong:
        case = Case(what, Verdict.HANG, f"took more than {_LONGEST} s")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Case(case.what, case.verdict, case.why, time.perf_counter() - began)


def _alarm(_: int, __: FrameType | None) -> None:
    raise _TooLong
