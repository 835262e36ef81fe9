"""Errors that are reported to the user."""

import signal
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that change how a terminal shows other text, or that it cannot show: controls, escapes,
directions of writing, lone surrogates."""


class InputError(Exception):
    """Input that cannot be used, as one or more messages for a person.

    Each message names the file, what was got, what was expected and what to do about it. Characters that a terminal
    would obey are escaped.
    """

    def __init__(self, *messages: str) -> None:
        messages = tuple(map(printable, messages))
        super().__init__(*messages)
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class ErrorCollector:
    """What is wrong with several things that are tried one after the other, so that all of it is reported."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        """Each once."""

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the messages of an InputError, and continue."""
        try:
            yield
        except InputError as error:
            self.messages += [message for message in error.messages if message not in self.messages]

    def raise_if_any(self) -> None:
        """Raise what was collected, if anything was.

        Raises:
            InputError: with all messages.
        """
        if self.messages:
            raise InputError(*self.messages)


class Stopped(BaseException):
    """Work that a signal stopped, after everything needed to resume it was saved.

    No `Exception`, as KeyboardInterrupt is none: whoever catches what may go wrong must not catch this.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def stop(number: int, _: FrameType | None = None) -> None:
    """Stop this process in order: a handler of signals that ask for it.

    Raises:
        Stopped: always.
    """
    signal.signal(number, signal.SIG_DFL)  # the second one is obeyed at once
    raise Stopped(f"stopped by {signal.Signals(number).name}; what was finished is kept", number)


def printable(text: str) -> str:
    """Text with the characters escaped that a terminal would obey or cannot show; line breaks and tabs stay.

    Names of files may hold any of them, those in an archive of unknown origin too.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape").decode()
