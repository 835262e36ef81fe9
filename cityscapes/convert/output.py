"""Result of a conversion, and its faults."""

from dataclasses import dataclass

from engine.errors import InputError
from engine.findings import grouped

_SHOWN = 50
"""Number of faults of a kind that are listed; the others are counted."""
_MAX_FAULTS = 100_000


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion."""

    images: int
    """Number of images with a file in the new folder."""
    objects: int
    """Number of objects or segments in these files."""
    reading: str = ""
    """Description of how the category ids were read; empty if the names of labels decided."""
    notes: tuple[str, ...] = ()
    """Remarks on objects that were changed or left out, without being faulty."""
    skipped: tuple[str, ...] = ()
    """Messages on the faulty objects that were left out; empty unless that was asked for."""
    split: str = ""
    """Split that the images belong to; empty for annotations."""


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
