"""The pages in docs/coming_from/."""

import ast

import pytest

from tests.cityscapes.programs import detectron2
from tests.cityscapes.programs.pages import PAGES, code, commands, section

NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_listed_names_its_source_and_has_valid_code(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert f"({name}.md)" in (PAGES / "README.md").read_text()
    assert "https://github.com/" in text.partition("## Source\n")[2]
    assert "## The most frequent mistake\n" in text
    ast.parse(code(text, "python"))


@pytest.mark.parametrize(
    ("evaluator", "heading"),
    [("KeptSemSegEvaluator", "Semantic segmentation"), ("KeptInstanceEvaluator", "Instance segmentation")],
)
def test_the_evaluators_of_detectron2_write_to_the_folder_that_is_scored(evaluator: str, heading: str) -> None:
    scoring = commands(section("detectron2", heading))[0]
    assert scoring[scoring.index("--predictions") + 1] == detectron2.evaluator_of_page(evaluator).folder
