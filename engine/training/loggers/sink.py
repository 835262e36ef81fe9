"""Interface between a run and its loggers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Job(NamedTuple):
    """Run for which a logger is started."""

    folder: Path
    """Folder of the run; its name is the name of the run."""
    config: Mapping[str, Any]
    """Options of the run: plain names and values."""
    run_id: str | None
    """Name that the logger gave this run at an earlier start; None for a run that it does not know."""
    first_epoch: int
    """Epoch of the first row that will be sent."""


class Sink(NamedTuple):
    """A started logger."""

    run_id: str | None
    """Name by which the logger finds this run again; None if every start sends all rows again."""
    write: Callable[[int, Mapping[str, float]], None]
    """Function that sends the values of an epoch by name; it may raise any exception."""
    close: Callable[[], None]
    """Function that sends pending rows and ends the logger; it may raise any exception."""


class Start(Protocol):
    """Function that starts a logger; it may raise any exception."""

    def __call__(self, job: Job) -> Sink: ...  # noqa: D102


PROJECT = "cityscapes-fcn"
"""Default project or experiment of runs, if the environment variable of a logger does not name one."""
