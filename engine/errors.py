"""Errors that are reported to the user."""

import signal
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that a terminal cannot show, or that change how it shows other text: control characters,
escapes, writing directions, lone surrogates."""


class InputError(Exception):
    """Input that cannot be used, with one or more messages for the user.

    Each message names the file, what was found, what was expected and what to do about it. Control characters are
    escaped, so that no terminal interprets them.
    """

    def __init__(self, *messages: str) -> None:
        messages = tuple(map(printable, messages))
        super().__init__(*messages)
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class ErrorCollector:
    """Collector of the messages of several steps, so that all errors are reported at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        """Messages in the order in which they came, without duplicates."""

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Context that keeps the messages of an InputError instead of raising it."""
        try:
            yield
        except InputError as error:
            self.messages += [message for message in error.messages if message not in self.messages]

    def raise_if_any(self) -> None:
        """Raise the collected messages, if there are any.

        Raises:
            InputError: with all messages.
        """
        if self.messages:
            raise InputError(*self.messages)


class Stopped(BaseException):
    """Work that a signal stopped, after everything needed to resume it was saved.

    Like KeyboardInterrupt it is not an `Exception`, so that `except Exception` does not catch it.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def stop(number: int, _: FrameType | None = None) -> None:
    """Handler of signals that ask the process to stop: it raises `Stopped`.

    Raises:
        Stopped: always.
    """
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    raise Stopped(f"stopped by {signal.Signals(number).name}; what was finished is kept", number)


def printable(text: str) -> str:
    """Text with control and unprintable characters escaped; line breaks and tabs stay.

    File names may hold such characters, also those in an archive of unknown origin.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape").decode()
