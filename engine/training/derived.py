"""Outputs that are derived from the history of a run: table, curves, model card and the rows of loggers."""

from pathlib import Path

from engine.files.atomic import write_text
from engine.tables import csv_of
from engine.training import history, loggers, model_card
from engine.training.loggers import RunLoggers
from engine.training.model_card import CardFacts


class Derived:
    """Files and loggers that are derived from the history of a run.

    Args:
        folder: run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loggers: RunLoggers | None = None

    def curves(self, kind: str) -> Path:
        """File of the curves, for a format: png, svg or pdf."""
        return self._folder / f"curves.{kind}"

    def write(self, facts: CardFacts, *, curves: str, logger: str) -> None:
        """Update all outputs, if there is an epoch yet.

        Args:
            facts: facts of the run; rows with values of another number of classes are left out.
            curves: file format of the curves: png, svg, pdf or none.
            logger: loggers that receive new rows, a value of `--logger`.
        """
        classes = facts.benchmark.classes.names
        rows = [row for row in facts.rows if history.has_values_of(row, len(classes))]
        if not rows:
            return
        write_text(self._folder / "history.csv", csv_of(history.to_dataframe(rows, classes)))
        card = self._folder / "README.md"
        if model_card.may_replace(card):
            write_text(card, model_card.render(facts._replace(rows=rows)))
        if self._loggers is None:
            self._loggers = RunLoggers(self._folder, loggers.parse(logger))
        self._loggers.write(rows, classes, facts.config)
        if curves != "none":
            history.plot(rows, self.curves(curves), facts.name)

    def close(self) -> None:
        """Close the loggers."""
        if self._loggers is not None:
            self._loggers.close()
            self._loggers = None
