"""The record of all cases: verdicts, totals, and a table."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.verdict import GOOD, Verdict

_SHOWN = 700
"""Characters that are kept from the start and from the end of the output of a bad case."""


@dataclass(frozen=True)
class Case:
    """One disturbed command or parser."""

    what: str
    """Description with which the case can be repeated."""
    verdict: Verdict
    why: str = ""
    """Output of a case with a bad verdict."""
    seconds: float = 0
    mib: float = 0


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"


@dataclass
class Totals:
    """Totals over the cases of one class."""

    verdicts: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0
    """Longest time of a case in seconds."""
    mib: float = 0
    """Largest memory of a case in MiB."""

    def add(self, cases: Iterable[Case]) -> "Totals":
        """Count more cases."""
        for case in cases:
            self.verdicts[case.verdict] += 1
            self.seconds, self.mib = max(self.seconds, case.seconds), max(self.mib, case.mib)
            if case.verdict not in GOOD:
                self.bad.append({"what": case.what, "verdict": case.verdict, "why": _shortened(case.why)})
        return self

    def merge(self, other: Mapping[str, Any]) -> "Totals":
        """Add other totals, given as JSON content."""
        self.verdicts.update(other["verdicts"])
        self.bad += other["bad"]
        self.seconds, self.mib = max(self.seconds, other["seconds"]), max(self.mib, other["mib"])
        return self

    def plain(self) -> dict[str, Any]:
        """The totals as JSON content."""
        return {
            "verdicts": dict(self.verdicts),
            "bad": self.bad,
            "seconds": round(self.seconds, 3),
            "mib": round(self.mib, 1),
        }


def describe(
    done: Mapping[str, Mapping[str, Any]], share: float, seconds: float, atheris: str | None
) -> dict[str, Any]:
    """The record of all batches, `<kind> <name> ...` -> totals, with the version of atheris."""
    from engine import environment  # it loads torch, which light commands must not find loaded

    by_class: dict[str, dict[str, Totals]] = {}
    for key, totals in sorted(done.items()):
        kind, name = re.fullmatch(r"(\w+) (.+) \d+ \d+", key).groups()  # type: ignore[union-attr]
        by_class.setdefault(kind, {}).setdefault(name, Totals()).merge(totals)
    sums = {kind: _sum(by_name.values()) for kind, by_name in by_class.items()}
    return {
        "bench": "torture",
        "what": "faults of file operations, kills, flipped bits, hostile files and random ones, in every command",
        "share": share,
        "minutes": round(seconds / 60, 1),
        "good": all(not total.bad for total in sums.values()),
        "classes": {
            kind: {
                "cases": sum(sums[kind].verdicts.values()),
                **sums[kind].plain(),
                "of": {
                    name: {"cases": sum(one.verdicts.values()), **one.plain(), "bad": len(one.bad)}
                    for name, one in by_name.items()
                },
            }
            for kind, by_name in by_class.items()
        },
        "atheris": atheris,
        "environment": environment.describe(),
    }


def _sum(parts: Iterable[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total.merge(part.plain())
    return total


def table(record: Mapping[str, Any]) -> str:
    """The record as text to print."""
    names = [verdict.value for verdict in Verdict]
    lines = [f"{'':<10}{'cases':>9}" + "".join(f"{name:>11}" for name in names) + "   longest      most memory"]
    for kind, content in record["classes"].items():
        counts = "".join(f"{content['verdicts'].get(name, 0):>11}" for name in names)
        lines.append(f"{kind:<10}{content['cases']:>9}{counts}{content['seconds']:>8.2f} s{content['mib']:>13.0f} MiB")
    return "\n".join(lines)
