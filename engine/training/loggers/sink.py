"""The contract between a run and a logger."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Job(NamedTuple):
    """The run that a logger is started for."""

    folder: Path
    """Folder of the run; its name is the name of the run."""
    config: Mapping[str, Any]
    """Settings of the run: plain names and values."""
    run_id: str | None
    """Name that the logger gave this run at an earlier start; None for a run that it does not know."""
    first_epoch: int
    """Epoch of the first row that will be sent."""


class Sink(NamedTuple):
    """A started logger."""

    run_id: str | None
    """Name by which the logger finds this run again; None if a later start sends all rows anew."""
    write: Callable[[int, Mapping[str, float]], None]
    """Function that sends the figures of an epoch, by name; it may raise any exception."""
    close: Callable[[], None]
    """Function that sends what is still waiting and ends the logger; it may raise any exception."""


class Start(Protocol):
    """A function that starts a logger; it may raise any exception."""

    def __call__(self, job: Job) -> Sink: ...  # noqa: D102


PROJECT = "cityscapes-fcn"
"""Name of the project or experiment that runs are shown in, where the logger's own environment variable names none."""
