"""Folder of figures: files, and an index of what was written and left out."""

import warnings
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from engine.errors import InputError
from engine.files.atomic import replacing, write_text
from engine.parallel import parallel_map
from engine.tables import Table
from report.figures import style
from report.figures.escaping import latex, markdown
from report.figures.formats import to_latex, to_markdown

INDEX = "README.md"
DOCUMENT = "all-tables.tex"


class FigureFolder:
    """Folder into which charts, tables and pictures are written, each under a temporary name first.

    A file of the same name is replaced; other files in the folder stay.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[tuple[tuple[str, ...], str]] = []
        """Names of files that belong together, and one line about them."""
        self.left_out: list[tuple[str, str]] = []
        """Name of a chart or file that was not made, and the reason."""
        self._charts: list[tuple[str, Callable[[], Figure]]] = []

    @property
    def files(self) -> int:
        """Number of files that were written, without the index."""
        return sum(len(names) for names, _ in self.entries)

    def chart(self, stem: str, about: str, draw: Callable[[], Figure]) -> None:
        """Add a chart, which `draw_charts` will draw by calling a function that can be pickled."""
        self._charts.append((stem, draw))
        self.add((f"{stem}.svg", f"{stem}.pdf"), about)

    def draw_charts(self, workers: int) -> None:
        """Draw all charts that were added, in several processes, and write each as SVG and PDF.

        Raises:
            InputError: if a file cannot be written.
        """
        work = partial(_draw, self.folder)
        faults = [
            message
            for _, outcome in parallel_map(work, self._charts, workers=workers, title="charts")
            if isinstance(outcome, InputError)
            for message in outcome.messages
        ]
        if faults:
            raise InputError(*faults)

    def table(self, stem: str, about: str, table: Table, right: Collection[str] = ()) -> None:
        """Write a table as LaTeX and Markdown; columns of numbers and those in `right` are aligned right.

        The LaTeX file begins with `about` as a comment, because it is copied without the index.
        """
        comment = " ".join(about.split())
        write_text(self.folder / f"{stem}.tex", f"% {latex(comment)}\n{to_latex(table, right)}")
        write_text(self.folder / f"{stem}.md", to_markdown(table, right))
        self.add((f"{stem}.tex", f"{stem}.md"), about)

    def write_document(self) -> None:
        """Write `all-tables.tex`: a document with all tables that were written, each reduced to the width of a page."""
        tables = [
            f"\\noindent {latex(about)}\n\n"
            f"\\noindent\\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{\\input{{{names[0]}}}}}"
            "\n\n\\bigskip\n"
            for names, about in self.entries
            if names[0].endswith(".tex")
        ]
        if tables:
            packages = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
            write_text(self.folder / DOCUMENT, "".join([packages, *tables, "\\end{document}\n"]))
            self.add((DOCUMENT,), "All tables in one document, for pdflatex.")

    def add(self, names: tuple[str, ...], about: str) -> None:
        """Add files that are already written to the index."""
        self.entries.append((names, about))

    def leave_out(self, what: str, why: str) -> None:
        """Note in the index that something was not made, and why."""
        self.left_out.append((what, why))

    def write_index(self) -> None:
        """Write `README.md`: all files with one line each, and what is left out with its reason."""
        lines = ["# Figures", "", "Written by `python -m report --figures`. A rerun replaces these files.", ""]
        for names, about in self.entries:
            links = ", ".join(f"[{name}]({name})" for name in names)
            lines.append(f"- {links}: {markdown(about)}")
        if self.left_out:
            lines += ["", "## Left out", ""]
            lines += [f"- {markdown(what)}: {markdown(why)}" for what, why in self.left_out]
        write_text(self.folder / INDEX, "\n".join(lines) + "\n")


def _draw(folder: Path, chart: tuple[str, Callable[[], Figure]]) -> None:
    """Write a chart as SVG and PDF; both have no date, so that the same chart gives the same bytes."""
    stem, draw = chart
    with style.applied(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box is drawn instead
        figure = draw()
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")  # the layout need not be computed for each format
        for suffix, metadata in (("svg", {"Date": None}), ("pdf", {"CreationDate": None})):
            with replacing(folder / f"{stem}.{suffix}") as file:
                figure.savefig(file, format=suffix, metadata=metadata)
