"""Errors that are reported to the user."""


class InputError(Exception):
    """Input that cannot be used, as one or more messages for a person.

    Each message names the file, what was got, what was expected and what to do about it.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class Stopped(Exception):  # noqa: N818  # no error
    """Work that a signal stopped, after everything needed to go on was saved."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
