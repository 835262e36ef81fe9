"""Style of the charts: sizes, fonts and colours for a paper, in colour and in greyscale."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from engine.errors import printable

COLUMN, PAGE = 3.5, 7.0
"""Printed width of a chart in inches: of one column, and of two."""
MOST_SERIES = 12
"""Largest number of series in one chart that a reader can tell apart."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],  # the first comes with Matplotlib
    "font.size": 8,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), 8),
    **dict.fromkeys(("legend.fontsize", "figure.titlesize"), 8),
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "patch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "text.parse_math": False,  # a name with two dollar signs is not a formula
    "text.usetex": False,
    "pdf.fonttype": 42,  # TrueType, which publishers require
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "report",  # the same identifiers in every file
    "figure.dpi": 100,
}

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Colours of Okabe and Ito without yellow, which is too light for lines."""
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))
_MARKERS = "osD^vPX<>p"
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oooo", "++++")
_FILLS = ("#7FB8DE", "#F0C27B", "#A6DCC6", "#E8B6CF", "#FFFFFF", "#D5C4F2", "#F7F2A8", "#BBBBBB")
"""Fills of bars, light enough for their hatches and for black intervals to be seen."""


class Series(NamedTuple):
    """Style of one series, distinct in colour and, for greyscale, in dashes, marker and hatch."""

    color: str
    dashes: Any
    marker: str
    hatch: str
    fill: str


def series(number: int) -> Series:
    """Style of the series with this number, from 0; the first 70 differ from each other."""
    return Series(*(styles[number % len(styles)] for styles in (_COLORS, _DASHES, _MARKERS, _HATCHES, _FILLS)))


@contextmanager
def applied() -> Iterator[None]:
    """Context in which Matplotlib draws in this style, whatever the user's configuration says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, independent of other figures."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def label(name: str, most: int = 40) -> str:
    """A name as text in a chart: on one line, and the middle of a long name replaced by dots."""
    text = " ".join(printable(name).split())
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}...{text[-(most - most // 2 - 2) :]}"
    return f" {text}" if text.startswith("_") else text  # a legend leaves out labels that begin with an underscore
