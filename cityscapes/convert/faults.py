"""Faults of objects in files of other programs: their collection, and values in messages."""

from typing import Any

from engine.errors import InputError
from engine.findings import grouped

_SHOWN = 50
"""Number of faults of a kind that are listed; the others are counted."""
_MAX_FAULTS = 100_000


class SegmentationError(Exception):
    """A segmentation that cannot be decoded, with what was got and expected."""


class Faults:
    """Messages on faulty objects; after too many, the conversion ends."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, *messages: str) -> None:
        """Add messages.

        Raises:
            InputError: with all of them, if there are too many to continue.
        """
        self.messages += messages
        if len(self.messages) > _MAX_FAULTS:
            raise InputError(
                *grouped(self.messages, shown=_SHOWN), f"stopped after {_MAX_FAULTS:,} faults; correct these first"
            )

    def settled(self, *, skip: bool) -> tuple[str, ...]:
        """The faults as messages for the result, if faulty objects may be skipped.

        Raises:
            InputError: with all faults, if there are any and they may not be skipped.
        """
        messages = tuple(grouped(self.messages, shown=_SHOWN))
        if messages and not skip:
            raise InputError(*messages)
        return messages


def shown(value: Any) -> str:
    """A value of a file for a message, shortened."""
    if isinstance(value, list | dict) and len(value) > 3:
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} values"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
