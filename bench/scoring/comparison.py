"""The contenders of one part of the bench, their times in turn, and the comparison of their figures."""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import race
from engine.errors import InputError

OFFICIAL = "official"
"""Name of the official script among the contenders."""

_SCRIPTS = ("-m", "bench.contenders.official_scripts")


@dataclass(frozen=True)
class Comparison:
    """Contenders of one part of the bench, whose input files exist."""

    what: str
    """Work of every contender."""
    contenders: Mapping[str, Sequence[str]]
    """Name -> arguments of a Python process; one of them is `OFFICIAL`."""
    compare: Callable[[], Mapping[str, Any]]
    """Function that compares the results of all contenders once they have run, and returns its figures."""
    variables: Mapping[str, str]
    """Environment variables of all contenders."""
    clear: Callable[[str], None] = lambda _: None
    """Function that is called with the name of a contender before it runs, for example to remove its files."""


def measure(comparison: Comparison, rounds: int, seconds: float) -> dict[str, Any]:
    """Time the contenders in turn, after one round to warm up, and compare their results.

    Args:
        comparison: contenders to measure.
        rounds: most rounds after the warm-up.
        seconds: time limit; rounds that do not fit are left out.

    Raises:
        InputError: if a contender fails or has no result within the time, or if their results cannot be compared.
    """

    def time_contender(name: str, limit: float) -> float:
        comparison.clear(name)
        return race.run_limited(comparison.contenders[name], limit, variables=comparison.variables).seconds

    done = race.measure_in_turn(list(comparison.contenders), time_contender, rounds + 1, seconds)
    if missing := comparison.contenders.keys() - done.results.keys():
        reasons = {**done.notes, **done.failed}
        raise InputError(*(f"{name}: {reasons.get(name, 'not measured')}" for name in sorted(missing)))
    times = {name: values[1:] or values for name, values in done.results.items()}
    return {
        "what": comparison.what,
        "rounds": max(map(len, times.values())),
        "median_seconds": {name: round(statistics.median(values), 2) for name, values in times.items()},
        "times_as_fast_as_official": race.speedups(times, OFFICIAL),
        **comparison.compare(),
        **({"failed": done.failed} if done.failed else {}),
        **({"notes": done.notes} if done.notes else {}),
    }


def official(name: str, *arguments: str) -> list[str]:
    """Arguments of a Python process that runs an official script, see `bench.contenders.official_scripts`."""
    return [*_SCRIPTS, name, *arguments]


def by_workers(*arguments: str) -> dict[str, list[str]]:
    """Our command with one worker and with two, by name."""
    return {f"{count} worker{'s' * (count > 1)}": [*arguments, "--workers", str(count)] for count in (1, 2)}


def largest_difference(reference: Path, ours: Path) -> float:
    """Largest difference of any figure from the one in the file of the official scorer; NaN equals null.

    Raises:
        InputError: if a figure or a name of the official file is missing, or only one of both has a value.
    """
    theirs, own = (_figures(json.loads(path.read_text())) for path in (reference, ours))
    if missing := theirs.keys() - own.keys():
        raise InputError(f"{ours.parent.name}: lacks figures of the official scorer: {sorted(missing)}")
    if unequal := [key for key, value in theirs.items() if math.isfinite(value) != math.isfinite(own[key])]:
        raise InputError(f"{ours.parent.name}: only one of both scorers has a value for {sorted(unequal)}")
    return max(abs(value - own[key]) for key, value in theirs.items() if math.isfinite(value))


def _figures(content: Any, key: str = "") -> dict[str, float]:
    """All numbers of a result file, by their path in it; a text is a part of its path."""
    if isinstance(content, Mapping):
        items = [(str(name), value) for name, value in content.items()]
    elif isinstance(content, list):
        items = [(str(place), value) for place, value in enumerate(content)]
    elif isinstance(content, str):
        return {f"{key}: {content}": 0.0}
    else:
        return {key: math.nan if content is None else float(content)}
    return {place: figure for name, value in items for place, figure in _figures(value, f"{key}/{name}").items()}
