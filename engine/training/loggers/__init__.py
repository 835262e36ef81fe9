"""Experiment loggers, which receive the rows of a run's history in addition to the files in its folder.

If a logger fails or cannot reach its server, a warning is printed and training continues: history.jsonl has all rows.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError, printable
from engine.files.atomic import set_aside, write_json
from engine.files.documents import read_json
from engine.training.history import Row, cells
from engine.training.loggers import mlflow, tensorboard, trackio, wandb
from engine.training.loggers.sink import Job, Sink, Start

LOGGERS: dict[str, Start] = {
    "tensorboard": tensorboard.start,
    "wandb": wandb.start,
    "mlflow": mlflow.start,
    "trackio": trackio.start,
}
"""Functions that start loggers, by the name of the logger, which is also that of its package."""
NONE = "none"
JOURNAL = "loggers.json"
"""File in the run folder with the name of the run in each logger, and the last epoch that was sent to it."""


def parse(text: str) -> tuple[str, ...]:
    """Split a value of `--logger` into the names of loggers, which are joined with `+`.

    Raises:
        InputError: if there is no such logger, or its package is not installed.
    """
    names = tuple(dict.fromkeys(text.split("+")))
    if names == (NONE,):
        return ()
    if unknown := [name for name in names if name not in LOGGERS]:
        raise InputError(
            f"--logger {text}: no logger {', '.join(unknown)}; choose from {', '.join(LOGGERS)}, several "
            f"joined with +, or {NONE}"
        )
    if missing := [name for name in names if not _is_installed(name)]:
        extras = ",".join("train" if name == "tensorboard" else name for name in missing)
        raise InputError(
            f"--logger {text}: {', '.join(missing)} is not installed; install it: pip install "
            f'"cityscapes-fcn[{extras}]" (in a checkout: pip install ".[{extras}]"), or give another --logger'
        )
    return names


class RunLoggers:
    """Loggers of a run, each started when the first row is sent to it.

    Args:
        folder: run folder.
        names: names of the loggers.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, list(names)
        self._sinks: dict[str, Sink] = {}
        self._sent: dict[str, int] = {}
        """Last epoch that this process sent to each logger."""

    def write(self, rows: Sequence[Row], classes: Sequence[str], config: Mapping[str, Any]) -> None:
        """Send each logger the rows that it does not have yet; a failure is reported on stderr.

        Args:
            rows: the whole history, by ascending epoch.
            classes: names of the classes.
            config: options of the run: plain names and values.
        """
        for name in list(self._names):
            try:
                self._write(name, rows, classes, config)
            except Exception as error:  # third-party packages raise any exception
                with contextlib.suppress(Exception):
                    self._sinks.pop(name).close()
                self._warn(name, error)

    def _write(self, name: str, rows: Sequence[Row], classes: Sequence[str], config: Mapping[str, Any]) -> None:
        run_id, sent = self._known(name)
        new = [row for row in rows if row["epoch"] > sent]
        if not new:
            return
        if name not in self._sinks:
            self._names.remove(name)  # a failing start may take minutes: it is not repeated
            self._sinks[name] = LOGGERS[name](Job(self._folder, config, run_id, new[0]["epoch"]))
            self._names.append(name)
            self._sent.setdefault(name, sent)
        try:
            for row in new:
                self._sinks[name].write(row["epoch"], _figures(row, classes))
                self._sent[name] = row["epoch"]
        finally:
            self._note(name, self._sinks[name].run_id)

    def close(self) -> None:
        """Close all loggers; a failure is reported on stderr."""
        while self._sinks:
            name, sink = self._sinks.popitem()
            try:
                sink.close()
            except Exception as error:
                self._warn(name, error)

    def _known(self, name: str) -> tuple[str | None, int]:
        """Name of this run in a logger, and the last epoch that was sent to it."""
        found = self._journal().get(name)
        if isinstance(found, dict) and isinstance(found.get("run_id"), str) and type(found.get("epoch")) is int:
            return found["run_id"], found["epoch"]
        return None, self._sent.get(name, 0)

    def _note(self, name: str, run_id: str | None) -> None:
        if run_id is not None and name in self._sent:
            entry = {"run_id": run_id, "epoch": self._sent[name]}
            write_json(self._folder / JOURNAL, self._journal() | {name: entry}, durable=True)

    def _journal(self) -> dict[str, Any]:
        path = self._folder / JOURNAL
        try:
            content = read_json(path) if path.is_file() else {}
        except InputError as error:
            kept = set_aside(path).name
            print(f"note: {error}; it is kept as {kept}, and loggers get all rows again", file=sys.stderr)
            content = {}
        return content if isinstance(content, dict) else {}

    def _warn(self, name: str, error: Exception) -> None:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        alive = name in self._names
        again = "its rows are sent again with the next ones" if alive else "it gets no rows from this start"
        message = f"warning: {self._folder}: --logger {name} failed ({reason}); {again}; history.jsonl has all rows"
        print(printable(message), file=sys.stderr)


def _figures(row: Row, classes: Sequence[str]) -> dict[str, float]:
    """Numbers of an epoch by name, including those of classes."""
    numbers = {name: float(value) for name, value in cells(row, classes) if type(value) in (int, float)}
    return {name: value for name, value in numbers.items() if name != "epoch"}


def _is_installed(package: str) -> bool:
    """Whether a package can be imported; a folder of its name without a package does not count."""
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None
