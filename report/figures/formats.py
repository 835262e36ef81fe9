"""Tables as LaTeX and Markdown by pandas, with every cell escaped."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from engine.tables import Table
from report.figures.escaping import latex, markdown

if TYPE_CHECKING:
    import pandas as pd

_MISSING = "-"
_WIDE, _WORD = 40, 24
"""Characters of the longest cell and the longest word for which a column has its lines broken."""
_LONGEST = 200
"""Largest number of characters of a cell or heading; a row of a few longer ones would be wider than TeX can count."""
_PREAMBLE = "% \\usepackage{booktabs}"


def to_latex(table: Table, right: Collection[str] = ()) -> str:
    """A `tabular` with the rules of booktabs; columns of numbers and those in `right` are aligned right."""
    frame = _texts(table, latex)
    style = frame.style.hide(axis="index").format_index(lambda name: latex(_cut(str(name))), axis="columns")
    columns = zip(frame, _is_right(table, right), strict=True)
    sides = "".join("r" if numeric else _left(frame[name]) for name, numeric in columns)
    return f"{_PREAMBLE}\n{style.to_latex(hrules=True, column_format=sides)}"


def to_markdown(table: Table, right: Collection[str] = ()) -> str:
    """A table with pipes, as GitHub shows it; columns of numbers and those in `right` are aligned right."""
    frame = _texts(table, markdown).rename(columns=lambda name: markdown(_cut(str(name))))
    sides = ["right" if numeric else "left" for numeric in _is_right(table, right)]
    text: str = frame.to_markdown(index=False, disable_numparse=True, colalign=sides)
    return f"{text}\n"


def _texts(table: Table, escape: Callable[[str], str]) -> "pd.DataFrame":
    """The cells as escaped text, a dash where there is no value."""
    import pandas as pd

    texts = {
        name: [_MISSING if _is_missing(value) else escape(_cut(table.shown.get(name, str)(value))) for value in values]
        for name, values in table.columns.items()
    }
    return pd.DataFrame(texts, dtype=object)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _left(texts: "pd.Series[str]") -> str:
    """Form of a column of text: lines are broken if it would be wide and has words short enough for it."""
    longest, word = (
        max(map(len, texts), default=0),
        max((len(word) for text in texts for word in text.split()), default=0),
    )
    return "p{4.5cm}" if longest > _WIDE and word <= _WORD else "l"


def _is_right(table: Table, right: Collection[str]) -> list[bool]:
    """Whether each column is aligned right: those in `right`, and those of numbers, apart from missing values."""
    return [
        name in right or not any(isinstance(value, str) for value in values) for name, values in table.columns.items()
    ]


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124  # NaN
