"""Tables of figures: text for people, CSV, Markdown and LaTeX, and the DataFrame behind them.

pandas takes longer to import than most tables take to make, so only CSV files and DataFrames import it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["text", "csv", "markdown", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

_STYLES = {"markdown": "pipe", "latex": "latex_booktabs"}
"""Format -> the name of tabulate's."""
_MISSING = "-"

Show = Callable[[Any], str]
"""A value -> the text that people read."""


@dataclass(frozen=True)
class Table:
    """Columns of equal length under unique headings, in the order in which they are shown."""

    columns: Mapping[str, Sequence[Any]]
    """Heading -> exact values; None or NaN where there is no value."""
    shown: Mapping[str, Show] = field(default_factory=dict)
    """Heading -> the function that turns values of the column into text, by default `str`."""

    def to_dataframe(self) -> "pd.DataFrame":
        """The exact values as a DataFrame with the headings as column names."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns))

    def render(self, form: Format = "text") -> str:
        """The table in a format, without a line break at its end.

        CSV has the exact values, and nothing where there is none. The other formats are for people: they have the
        values as `shown` rounds them, and a dash where there is none.
        """
        if form == "csv":
            return csv_of(self.to_dataframe()).removesuffix("\n")
        from tabulate import tabulate

        cells = [[self._cell(name, value) for value in values] for name, values in self.columns.items()]
        rows = list(zip(*cells, strict=True))
        sides = ["right" if _is_numeric(values) else "left" for values in self.columns.values()]
        if not rows and form != "text":
            return tabulate([], list(self.columns), _STYLES[form])  # some versions align no column then
        if form == "text":  # as a row like the others, because tabulate makes columns wider than headings
            return _stripped(tabulate([tuple(self.columns), *rows], (), "plain", colalign=sides, disable_numparse=True))
        return tabulate(rows, list(self.columns), _STYLES[form], colalign=sides, disable_numparse=True)

    def _cell(self, name: str, value: Any) -> str:
        missing = value is None or value != value  # noqa: PLR0124  # NaN
        return _MISSING if missing else self.shown.get(name, str)(value)


def csv_of(frame: "pd.DataFrame") -> str:
    """A DataFrame as CSV without its index, with all digits of its numbers."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def percent(value: float, digits: int = 1) -> str:
    """A share from 0 to 1 in percent, without the sign."""
    return f"{100 * value:.{digits}f}"


def points(value: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


percent_2 = partial(percent, digits=2)
"""A share from 0 to 1 in percent with two decimals, without the sign."""


def _stripped(text: str) -> str:
    """Text without blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in text.splitlines())


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column holds numbers, apart from what is missing."""
    return not any(isinstance(value, str) for value in values)
