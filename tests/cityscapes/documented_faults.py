"""The tables of faults in docs/submission.md, which tests compare with the messages of the checks."""

from pathlib import Path

import pytest

from cityscapes.submission import main

DOCS = Path(__file__).parents[2] / "docs/submission.md"


def documented(heading: str) -> list[str]:
    """Rows of the table of faults below a heading of the page."""
    section = DOCS.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = section.partition("| fault | message |")[2]
    return [line for line in table.splitlines() if line.startswith("| ")]


def row(title: str, lines: list[str]) -> str:
    """Row of a fault with its messages."""
    error_lines = "<br>".join(f"`{line.replace('`', '')}`" for line in lines)
    return f"| {title} | {error_lines} |"


def error_lines(folder: Path, root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    """Error lines of the check of a folder, or of its zip if there is one, without the path."""
    path = folder.with_suffix(".zip") if folder.with_suffix(".zip").exists() else folder
    assert main(["check", str(path), "--root", str(root), "--workers", "1", *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix(f"error: {path}: ") for line in lines if line.startswith("error: ")]


def titles(heading: str) -> list[str]:
    """Faults in the table below a heading of the page, in its order."""
    return [line.split(" | ")[0].removeprefix("| ") for line in documented(heading)]


def assert_documented(
    heading: str, title: str, folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """Check a folder with a fault, compare its messages with the row of the page, and return them."""
    before = sorted(folder.parent.rglob("*"))
    lines = error_lines(folder, root, capsys)
    assert row(title, lines) in documented(heading)
    assert all("; " in line for line in lines), "every fault has a remedy"
    assert sorted(folder.parent.rglob("*")) == before, "a check writes nothing"
    return lines
