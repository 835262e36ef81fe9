"""The reference of all commands, and the settings of the documentation's pages."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from docs import cli_reference

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("camvid", "cityscapes", "kitti_road", "pascal_voc", "report")


def commands() -> set[str]:
    """Every module with a command's `main`; a package that takes that from one of its modules counts as the package."""
    found = set()
    for path in [*REPOSITORY.glob("*.py"), *(path for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py"))]:
        if re.search(r"^@command(\.command)?\ndef main\(", path.read_text(), re.MULTILINE):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            package = path.with_name("__main__.py").is_file()
            found.add(".".join(parts[:-1] if package else parts))
    return found


def test_the_reference_lists_every_command() -> None:
    assert {command.partition(" ")[0] for group in cli_reference.GROUPS for command in group.commands} == commands()


def test_every_help_is_on_the_page() -> None:
    page = cli_reference.page()
    listed = [command for group in cli_reference.GROUPS for command in group.commands]
    assert page.count("```text\nusage: ") == len(listed)
    for target in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]:
        assert f"`{target}`" in page
    for title in re.findall(r"^### `python (?:-m )?([^`]+)`", page, re.MULTILINE):
        assert re.search(rf"^usage: (?:python -m )?{re.escape(title)} ", page, re.MULTILINE), title


def test_subcommands_are_all_listed() -> None:
    for module in ("cityscapes", "kitti_road", "pascal_voc"):
        name = f"{module}.submission"
        (actions,) = re.findall(r"^usage: .* ([a-z|]+\|[a-z|]+) ", cli_reference.help_of(name), re.MULTILINE)
        for action in actions.split("|"):
            assert any(f"{name} {action}" in group.commands for group in cli_reference.GROUPS)


def test_every_page_is_in_the_navigation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    from docs import conf

    pages = {name for names in conf.CONTENTS.values() for name in names}
    for path in (REPOSITORY / "docs").glob("*.md"):
        assert f"docs/{path.stem}" in pages
