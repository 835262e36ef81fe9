"""Whole processes timed in turn, so that what else the machine does meets all of them."""

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
from bench.launch import Ended, Job, Start, fresh
from engine.faults import InputError

Seconds = dict[str, list[float]]
"""Contender -> seconds in each round."""
Found = TypeVar("Found")


def hold(
    contenders: Mapping[str, Sequence[str]],
    rounds: int,
    clear: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
    told: bool = False,
) -> Seconds:
    """Run all contenders, round after round, after one round that does not count.

    Args:
        contenders: name -> arguments of a Python process.
        rounds: that count.
        clear: removes what a contender has written, before each.
        environment: variables that contenders need.
        told: take the seconds that a contender prints, rather than those from its start to its end.

    Raises:
        InputError: if a contender fails.
    """
    seconds: Seconds = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, words in contenders.items():
            clear()
            taken = _timed(words, environment or {}, told)
            if number:
                seconds[name].append(taken)
    return seconds


@dataclass
class Series(Generic[Found]):
    """What contenders found so far that were measured in turn, as long as there was time."""

    results: dict[str, list[Found]] = field(default_factory=dict)
    """Contender -> what it found in each round; without those that never came to an end."""
    failed: dict[str, str] = field(default_factory=dict)
    """Contender -> why it failed; it was left out from then on."""


def series(
    names: Sequence[str],
    measure: Callable[[str, float], Found],
    rounds: int,
    seconds: float = math.inf,
    note: Callable[[Series[Found]], None] = lambda _: None,
) -> Series[Found]:
    """Measure all contenders in turn, round after round, until the time is up; one that fails stops no other.

    Args:
        names: of the contenders.
        measure: takes a name and the seconds that it may take, and raises InputError if that contender fails.
            It may take all that is left, or half of that as long as others were not measured yet, so that one that
            hangs leaves time to them.
        rounds: at most.
        seconds: for all.
        note: is given what was found so far, after each measurement.
    """
    done: Series[Found] = Series()
    taken: Seconds = {name: [] for name in names}
    until = time.monotonic() + seconds
    for _ in range(rounds):
        for number, name in enumerate(names):
            began = time.monotonic()
            if name in done.failed or not plan.another_fits(until - began, taken[name]):
                continue
            others = any(not taken[other] and other not in done.failed for other in names[number + 1 :])
            try:
                found = measure(name, (until - began) / (2 if others else 1))
            except InputError as error:
                done.failed[name] = str(error)
            else:
                done.results.setdefault(name, []).append(found)
                taken[name].append(time.monotonic() - began)
            note(done)
    return done


def ratios(seconds: Seconds, reference: str) -> dict[str, float]:
    """How many times as fast as the reference each contender is: the median over the rounds that both have."""
    if reference not in seconds:
        return {}
    return {
        name: round(statistics.median(theirs / its for theirs, its in zip(seconds[reference], own, strict=False)), 2)
        for name, own in seconds.items()
    }


def limited(words: Sequence[str], seconds: float, start: Start = fresh) -> Ended:
    """What comes of a Python process that gets these arguments and so many seconds.

    Raises:
        InputError: if it fails, or takes longer.
    """
    ended = Job(words, seconds, start=start).wait()
    if ended.code != 0:
        how = f"killed after {ended.seconds:.0f} s" if ended.code is None else f"ended with code {ended.code}"
        raise InputError(f"{' '.join(words[:3])}: {how}: {ended.error.strip()[-1500:]}")
    return ended


def warnings(ended: Ended) -> list[str]:
    """The warnings of our own that a process printed, for example that it does without a CUDA graph."""
    return [line for line in ended.error.splitlines() if line.startswith("warning:")]


def complaints(record: Mapping[str, Any]) -> list[str]:
    """Failures and warnings of contenders in a record, as lines to print."""
    failed = [f"  {name}: FAILED: {why.strip()[-200:]}" for name, why in record.get("failed", {}).items()]
    return failed + [f"  {name}: {line}" for name, lines in record.get("warnings", {}).items() for line in lines]


def output(words: Sequence[str], more: Mapping[str, str] | None = None) -> str:
    """What a Python process prints that gets these arguments.

    Raises:
        InputError: if it fails.
    """
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **(more or {}), "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{' '.join(words)}: ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _timed(words: Sequence[str], more: Mapping[str, str], told: bool) -> float:
    """The seconds that a process takes from its start to its end, or those that it tells in its last line."""
    started = time.perf_counter()
    printed = output(words, more)
    seconds = time.perf_counter() - started
    return float(printed.split()[-1]) if told else seconds
