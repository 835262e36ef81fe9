"""Faults of very many files: per kind only their number and the first examples, which worker processes return."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.findings import Finding, Severity, counted, shortened

_SHOWN = 2
"""Number of examples of a kind, so that a message fits two lines of a terminal."""


class Kind(NamedTuple):
    """Texts of one kind of fault."""

    noun: str
    """Singular of what is counted, for example `line`."""
    what: str
    """Description after the number: what was found and expected."""
    remedy: str
    """Advice on what to do about it."""
    severity: Severity = "fault"


class FaultCounts:
    """Number and first examples of each kind of fault."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        """Whether there is any fault or note."""
        return bool(self._counts)

    def add(self, kind: str, example: str, number: int = 1) -> None:
        """Count a fault, and keep its example if it is one of the first."""
        self._counts[kind] = self._counts.get(kind, 0) + number
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _SHOWN:
            examples.append(shortened(example))

    def merge(self, other: "FaultCounts") -> None:
        """Add the faults of files that come after the present ones."""
        for kind, number in other._counts.items():
            self._counts[kind] = self._counts.get(kind, 0) + number
            examples = self._examples.setdefault(kind, [])
            examples += other._examples[kind][: _SHOWN - len(examples)]

    def without(self, *kinds: str) -> "FaultCounts":
        """A copy without some kinds."""
        kept = FaultCounts()
        kept._counts = {kind: number for kind, number in self._counts.items() if kind not in kinds}
        kept._examples = {kind: self._examples[kind] for kind in kept._counts}
        return kept

    def findings(self, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
        """One finding for each kind that occurred, in the order of `kinds`, which has all of them."""
        for key, kind in kinds.items():
            if number := self._counts.get(key):
                what = f"got {counted(number, kind.noun)} {kind.what}"
                examples = tuple(self._examples[key])
                yield Finding(kind.severity, key, what, kind.remedy, number, examples)
