"""Ranges of numbers that options accept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `number in Range(0, 1)` is false for NaN."""

    low: float
    high: float
    above: bool = False
    """Whether the number must be more than `low`."""
    below: bool = False
    """Whether the number must be less than `high`."""

    def __contains__(self, number: Any) -> bool:
        # Comparisons with NaN are false, so NaN is in no range.
        return (
            isinstance(number, int | float)
            and (self.low < number if self.above else self.low <= number)
            and (number < self.high if self.below else number <= self.high)
        )

    def __str__(self) -> str:
        low, high = "more than" if self.above else "at least", "less than" if self.below else "at most"
        return f"{low} {_plain(self.low)} and {high} {_plain(self.high)}"


WORKERS = Range(0, 1024)
"""Allowed numbers of processes or threads of one command."""


def out_of_range(values: Mapping[str, Any], ranges: Mapping[str, Range]) -> list[str]:
    """A message for each option whose number is out of its range.

    Args:
        values: option -> value, for all options.
        ranges: option -> allowed numbers, for some of them.
    """
    return [
        f"--{name} {values[name]}: expected {allowed}"
        for name, allowed in ranges.items()
        if values[name] not in allowed
    ]


def _plain(number: float) -> str:
    """A number as people write it: 1024, 0.5, 1e-12."""
    return str(number) if isinstance(number, int) else f"{number:g}"
