"""Error messages."""

import pytest

from engine.errors import ErrorCollector, InputError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich \N{SNOWMAN}.png", "Zürich \N{SNOWMAN}.png"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x07.png", "\\x1b[2J\\x07.png"),
        ("gnp.\u202etxt", "gnp.\\u202etxt"),
        ("\udcff.png", "\\udcff.png"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert InputError(text).messages == (shown,)
    shown.encode()


def test_errors_of_several_steps_are_collected() -> None:
    faults = ErrorCollector()
    for messages in (("a", "b"), (), ("b", "c")):
        with faults.collect():
            if messages:
                raise InputError(*messages)
    with pytest.raises(InputError) as caught:
        faults.raise_if_any()
    assert caught.value.messages == ("a", "b", "c")
    ErrorCollector().raise_if_any()
