"""The pages in docs/coming_from/."""

import ast

import pytest

from tests.cityscapes.programs.pages import PAGES, code

NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_listed_names_its_source_and_has_valid_code(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert f"({name}.md)" in (PAGES / "README.md").read_text()
    assert "https://github.com/" in text.partition("## Source\n")[2]
    assert "## The most frequent mistake\n" in text
    ast.parse(code(text, "python"))
