"""The end of `pack` for images that are not the official ones."""

from pathlib import Path

import pytest

from engine.cli.submission import NOT_OFFICIAL, next_line, packed


@pytest.mark.parametrize(
    ("deviation", "subset", "code"),
    [("", False, 0), ("", True, 0), ("got 2 images", True, 0), ("got 2 images", False, NOT_OFFICIAL)],
)
def test_only_unaccepted_deviations_give_an_exit_code(
    deviation: str, subset: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packed(Path("a.zip"), deviation, "the official test set", subset=subset) == code
    expected = "error: a.zip: not of the official test set; --subset accepts that\n"
    assert capsys.readouterr().err == (expected if code else "")


def test_deviating_images_are_not_for_the_server() -> None:
    assert next_line("", "upload a.zip", "images of a.tar") == "next: upload a.zip"
    assert "upload" not in (line := next_line("got 2 images", "upload a.zip", "images of a.tar"))
    assert "for the server predict the images of a.tar, unpacked completely" in line
