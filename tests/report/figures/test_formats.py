"""Tables as LaTeX and Markdown."""

import math
import re

from engine.tables import Table, percent
from report.figures.formats import to_latex, to_markdown
from tests.report.figures.latex_syntax import require_valid

TABLE = Table({"run_a": ["x|y & z", "{b}"], "IoU (%)": [0.512, math.nan]}, {"IoU (%)": percent})
HOSTILE = ["\\end{tabular}", "{", "}}", "%", "[2ex]", "*", "&\\\\", "$", "#1 ^^M ~", "\\input{/etc/passwd}", "名"]


def test_a_table_in_latex_has_the_rules_of_booktabs() -> None:
    assert to_latex(TABLE) == (
        "% \\usepackage{booktabs}\n"
        "\\begin{tabular}{lr}\n\\toprule\n"
        "run\\_a & IoU (\\%) \\\\\n\\midrule\n"
        "x$|$y \\& z & 51.2 \\\\\n\\{b\\} & - \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def test_a_table_in_markdown_has_escaped_pipes_and_sides() -> None:
    rows = to_markdown(TABLE).splitlines()
    assert [re.split(r"(?<!\\)\|", row.replace(" ", ""))[1:-1] for row in rows] == [
        ["run_a", "IoU(%)"],
        [":----------", "----------:"],
        ["x\\|y\\&z", "51.2"],
        ["{b}", "-"],
    ]


def test_hostile_cells_and_headings_are_valid_latex() -> None:
    require_valid(to_latex(Table(dict.fromkeys(HOSTILE, HOSTILE))))


def test_an_empty_table_is_valid() -> None:
    require_valid(to_latex(Table({"run": []})))
    assert to_markdown(Table({"run": []})).startswith("| run")


def test_long_texts_of_words_are_broken_into_lines() -> None:
    words, name = "trained on train and val at full resolution", "x" * 80
    text = to_latex(Table({"protocol": [words], "name": [name], "IoU": [0.5]}))
    assert "\\begin{tabular}{p{4.5cm}lr}" in text
    require_valid(text)


def test_a_cell_that_tex_could_not_measure_is_cut() -> None:
    table = Table({"h" * 5000: ["x" * 5000, "&" * 200]})
    assert "x" * 200 + "..." in to_latex(table)
    assert max(map(len, to_markdown(table).split())) < 500
    require_valid(to_latex(table))
