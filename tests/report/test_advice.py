"""Commands that the page and the figures advise: each flag exists."""

import importlib
import re
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "report"
SUFFIXES = {".py", ".js", ".html"}
ADVICE = re.compile(r"\b((?:test_fcn|train_fcn|profile_fcn|generate_gt)\.py|cityscapes\.\w+)((?: --?\w+| \w+)*)")
"""A command with the words behind it, as far as they are flags or plain words."""


def advised() -> list[tuple[str, str]]:
    """Module and flag of each command with a flag in the texts of the report."""
    texts = [path.read_text() for path in REPORT.rglob("*") if path.suffix in SUFFIXES and "vendor" not in path.parts]
    return sorted(
        {
            (module.removesuffix(".py"), flag)
            for text in texts
            for module, words in ADVICE.findall(text)
            for flag in re.findall(r"--\w+", words)
        }
    )


def test_commands_are_found() -> None:
    assert ("test_fcn", "--profile_images") in advised()


@pytest.mark.parametrize(("module", "flag"), advised())
def test_an_advised_flag_exists(module: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(module).main(["--help"])
    assert re.search(rf"{flag}\b", capsys.readouterr().out)
