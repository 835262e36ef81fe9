"""Times contenders in turn, round after round, so that other load on the machine affects all of them alike."""

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bench import REPOSITORY, plan
from bench.launch import Job, ProcessResult, StartProcess, start_interpreter
from engine.errors import InputError

Seconds = dict[str, list[float]]
"""Contender -> seconds in each round."""
Result = TypeVar("Result")


def time_in_turn(
    contenders: Mapping[str, Sequence[str]],
    rounds: int,
    clear: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
    self_timed: bool = False,
) -> Seconds:
    """Time all contenders in turn, round after round, after one round to warm up.

    Args:
        contenders: name -> arguments of a Python process.
        rounds: number of rounds after the warm-up.
        clear: called before each process, to remove the files of earlier ones.
        environment: environment variables for the contenders.
        self_timed: take the seconds that a contender prints in its last line, not those from its start to its end.

    Raises:
        InputError: if a contender fails.
    """
    seconds: Seconds = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, arguments in contenders.items():
            clear()
            duration = _timed(arguments, environment or {}, self_timed)
            if number:
                seconds[name].append(duration)
    return seconds


@dataclass
class Measurements(Generic[Result]):
    """Results of contenders that are measured in turn as long as there is time."""

    results: dict[str, list[Result]] = field(default_factory=dict)
    """Contender -> result of each round; without contenders that never finished."""
    failed: dict[str, str] = field(default_factory=dict)
    """Contender -> why it failed; it is left out of later rounds."""
    notes: dict[str, str] = field(default_factory=dict)
    """Contender -> message that no time was left for it, which does not count as a failure."""


class OutOfTimeError(InputError):
    """A process was killed at its deadline."""


def measure_in_turn(
    names: Sequence[str],
    measure: Callable[[str, float], Result],
    rounds: int,
    seconds: float = math.inf,
    on_progress: Callable[[Measurements[Result]], None] = lambda _: None,
) -> Measurements[Result]:
    """Measure all contenders in turn, round after round, until the time is up; a failure does not stop the others.

    Args:
        names: names of the contenders.
        measure: function that takes a name and a time limit in seconds, and raises InputError if that contender fails.
            The limit is all time left. As long as other contenders have no result yet, it is only half of that, or
            twice the time of the slowest one so far if that is more, so that one that hangs leaves time for them.
        rounds: most rounds; fewer if time runs out.
        seconds: time limit for everything.
        on_progress: called with the results so far after each measurement.
    """
    done: Measurements[Result] = Measurements()
    durations: Seconds = {name: [] for name in names}
    deadline = time.monotonic() + seconds
    for _ in range(rounds):
        for number, name in enumerate(names):
            began = time.monotonic()
            left = deadline - began
            longest = max((one for those in durations.values() for one in those), default=0.0)
            if name in done.failed:
                continue
            if not plan.another_fits(left, durations[name] or [0.8 * longest]):
                if not durations[name] and name not in done.notes:
                    done.notes[name] = "not measured: no time was left"
                    on_progress(done)
                continue
            others = any(not durations[other] and other not in done.failed for other in names[number + 1 :])
            limit = max(left / 2, min(left, 2 * longest)) if others else left
            try:
                found = measure(name, limit)
            except OutOfTimeError as error:
                # With a limit below twice the slowest time, the contender may only have been slow.
                if limit < 2 * longest:
                    done.notes[name] = (
                        f"no time was left: {error}" if durations[name] else "not measured: no time was left"
                    )
                else:
                    done.failed[name] = str(error)
            except InputError as error:
                done.failed[name] = str(error)
            else:
                done.results.setdefault(name, []).append(found)
                durations[name].append(time.monotonic() - began)
            on_progress(done)
    return done


def speedups(seconds: Seconds, reference: str) -> dict[str, float]:
    """Speedup of each contender over the reference: the median over the rounds that both have."""
    if reference not in seconds:
        return {}
    return {
        name: round(
            statistics.median(theirs / ours for theirs, ours in zip(seconds[reference], values, strict=False)), 2
        )
        for name, values in seconds.items()
    }


def run_limited(
    arguments: Sequence[str],
    seconds: float,
    start: StartProcess = start_interpreter,
    variables: Mapping[str, str] | None = None,
) -> ProcessResult:
    """Run a Python process with a time limit in seconds and more environment variables, and return its result.

    Raises:
        OutOfTimeError: if it takes longer.
        InputError: if it fails.
    """
    ended = Job(arguments, seconds, variables, start).wait()
    command, said = " ".join(arguments[:3]), ended.error.strip()[-1500:]
    if ended.code is None:
        raise OutOfTimeError(f"{command}: killed after {ended.seconds:.0f} s: {said}")
    if ended.code != 0:
        raise InputError(f"{command}: ended with code {ended.code}: {said}")
    return ended


def warnings(ended: ProcessResult) -> list[str]:
    """Warnings that a process printed, for example that it runs without a CUDA graph."""
    return [line for line in ended.error.splitlines() if line.startswith("warning:")]


def problem_lines(record: Mapping[str, Any]) -> list[str]:
    """Failures, notes and warnings of the contenders in a record, as lines to print."""
    failed = [f"  {name}: FAILED: {why.strip()[-200:]}" for name, why in record.get("failed", {}).items()]
    notes = [f"  {name}: {what.strip()[-200:]}" for name, what in record.get("notes", {}).items()]
    return (
        failed + notes + [f"  {name}: {line}" for name, lines in record.get("warnings", {}).items() for line in lines]
    )


def stdout_of(arguments: Sequence[str], more: Mapping[str, str] | None = None) -> str:
    """Run a Python process and return its stdout.

    Raises:
        InputError: if it fails.
    """
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **(more or {}), "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{' '.join(arguments)}: ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _timed(arguments: Sequence[str], more: Mapping[str, str], self_timed: bool) -> float:
    """Seconds of a process from its start to its end, or those that it prints in its last line."""
    started = time.perf_counter()
    printed = stdout_of(arguments, more)
    seconds = time.perf_counter() - started
    return float(printed.split()[-1]) if self_timed else seconds
