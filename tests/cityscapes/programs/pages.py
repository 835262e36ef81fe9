"""The commands of the pages in docs/coming_from/, and their execution."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

PAGES = Path(__file__).parents[3] / "docs" / "coming_from"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECTED = {"check": 0, "fix": 0, "pack": 1}
"""Exit codes for correct predictions; a zip of anything but the official test set gives 1."""


class Done(NamedTuple):
    """A command that was run."""

    words: list[str]
    output: str
    errors: str


def section(page: str, heading: str | None = None) -> str:
    """The text of a page below a heading, or before the first heading."""
    parts = re.split(r"^## (.*)\n", (PAGES / f"{page}.md").read_text(), flags=re.MULTILINE)
    return parts[0] if heading is None else parts[parts.index(heading) + 1]


def code(text: str, language: str = "") -> str:
    """All blocks of code in a language, joined."""
    return "\n".join(block for kind, block in _FENCE.findall(text) if kind == language)


def commands(text: str) -> list[list[str]]:
    """Words of each command of this project in a text."""
    lines = code(text).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("python -m cityscapes.")]


def run(words: list[str], capsys: pytest.CaptureFixture[str], *more: str, expected: int = 0) -> Done:
    """Run a command in the working folder, and assert its exit code."""
    assert words[:2] == ["python", "-m"]
    main = importlib.import_module(words[2]).main
    capsys.readouterr()
    exit_code = main([*words[3:], *more, "--workers", "1"])
    printed = capsys.readouterr()
    assert exit_code == expected, (words, printed)
    return Done(words, printed.out, printed.err)


def follow(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[Done]]:
    """Run all commands of a text in turn; the scores, and what the commands printed."""
    done = []
    for words in commands(text):
        scoring = words[2] == "cityscapes.scoring"
        options = ("--output", "scores.json") if scoring else ()
        done.append(run(words, capsys, *options, expected=0 if scoring else _EXPECTED[words[3]]))
    return json.loads(Path("scores.json").read_text()), done


def functions(page: str, modules: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The names that the Python code of a page defines.

    Args:
        page: name of the page.
        modules: modules that the code imports and that are not installed.
    """
    names: dict[str, Any] = {}
    with patch.dict(sys.modules, modules or {}):
        exec(compile(code((PAGES / f"{page}.md").read_text(), "python"), page, "exec"), names)
    return names
