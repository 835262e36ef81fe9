"""Findings about many files: faults and notes, each kind reported in one line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

_SHOWN = 4
_SHOWN_NAMES = 30
_LONGEST = 240
"""Characters of an example that are shown; names in an archive may have 65,535."""

Severity = Literal["fault", "note"]


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one or more files, with its remedy."""

    severity: Severity
    """A fault makes the files unusable for their purpose; a note does not."""
    kind: str
    """Short name of the problem, for example `missing`."""
    what: str
    """Description of what was found and expected, with the number of files."""
    remedy: str
    """Advice on what to do about it."""
    count: int
    """Number of affected files."""
    examples: tuple[str, ...]
    """The first few files, each with its details."""

    def __str__(self) -> str:
        shown = f" ({_listed(self.examples, self.count)})" if self.examples else ""
        return f"{self.kind}: {self.what}{shown}; {self.remedy}"


def fault(kind: str, what: str, remedy: str, files: Sequence[str], count: int | None = None) -> Finding:
    """A fault of `files`, of which the first few are shown; `count` is their number by default."""
    return Finding(
        "fault", kind, what, remedy, len(files) if count is None else count, tuple(map(shortened, files[:_SHOWN]))
    )


def note(kind: str, what: str, remedy: str, files: Sequence[str], count: int | None = None) -> Finding:
    """A note on `files`, see `fault`."""
    return Finding(
        "note", kind, what, remedy, len(files) if count is None else count, tuple(map(shortened, files[:_SHOWN]))
    )


def of_severity(severity: Severity, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of one severity, in their order."""
    return tuple(finding for finding in findings if finding.severity == severity)


def examples(names: Sequence[str]) -> str:
    """The first few of the names and the number of the others: `a, b, c, d and 8 more`."""
    return _listed([*map(shortened, names[:_SHOWN])], len(names))


def _listed(shown: Sequence[str], count: int) -> str:
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """A number and its noun: `1 image`, `2 images`, `2 processes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def occurrences(names: Iterable[str]) -> str:
    """The names with the number of their occurrences, at most 30 of them, for example `berlin 2, bonn 1`."""
    numbers = sorted(Counter(names).items())
    more = f" and {len(numbers) - _SHOWN_NAMES} other names" if len(numbers) > _SHOWN_NAMES else ""
    return ", ".join(f"{shortened(name)} {number}" for name, number in numbers[:_SHOWN_NAMES]) + more


def shortened(text: str) -> str:
    """The text; if it is very long, without its middle."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[3 - _LONGEST // 2 :]}"


def grouped(messages: Sequence[str], shown: int = 5) -> list[str]:
    """Group messages by kind; of a kind with more than 2 x `shown` messages keep the first `shown` and a count.

    Messages are of one kind if they have the same remedy, which is the text after the last semicolon.
    """
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(message.rpartition("; ")[2], []).append(message)
    lines = []
    for remedy, same in kinds.items():
        kept = same if len(same) <= 2 * shown else same[:shown]
        lines += kept
        if len(kept) < len(same):
            lines.append(f"and {len(same) - len(kept)} more like these; {remedy}")
    return lines
