"""Whole processes timed in turn, so that what else the machine does meets all of them."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from bench import REPOSITORY
from engine.faults import InputError

Seconds = dict[str, list[float]]
"""Contender -> seconds in each round."""


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


def ratios(seconds: Seconds, reference: str) -> dict[str, float]:
    """How many times as fast as the reference each contender is: the median over the rounds."""
    return {
        name: round(statistics.median(theirs / its for theirs, its in zip(seconds[reference], own, strict=True)), 2)
        for name, own in seconds.items()
    }


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
