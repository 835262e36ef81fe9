"""What the parts of `python -m bench gpu` are given."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.launch import ForkedProcess, StartProcess, start_interpreter

SaveResult = Callable[[dict[str, Any]], None]
"""Takes all that a part has found so far; it is in the record at once."""
FILES_BACK = 8
"""Most files that come back from a machine; the record is one of them."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    matrix: int | None
    """Side of the matrices of the ceilings; None for that of the device."""
    scene: tuple[int, int]
    """Height and width of the images of the forward pass and the prediction."""
    repeats: int
    """Forward passes timed in each process."""
    rounds: int
    """Of side-by-side measurements, if there is time."""
    training: tuple[int, int, int]
    """Images a step, side of the crops, and steps."""
    predicted: tuple[int, int]
    """Images that we predict, and that the original repository's loop predicts."""
    toy: tuple[int, int]
    """Height and width of the images of the smoke test."""
    toy_crop: int
    """Side of its crops."""
    trial_epochs: int
    """Of the training that finds out how long an epoch takes."""
    epochs: int
    """At most, of a training on CamVid."""


FULL = Sizes(None, (1024, 2048), 50, 3, (16, 1024, 20), (400, 24), (360, 480), 128, 10, 800)
TOY = Sizes(128, (64, 128), 1, 1, (1, 64, 1), (4, 2), (64, 96), 32, 4, 2)


@dataclass(frozen=True)
class PartSettings:
    """One part of one run."""

    seconds: float
    """Until it should have come to its end; it is killed a little later."""
    work: Path
    """Folder for files that nobody keeps, the same for all parts."""
    output: Path
    """Folder for what is kept."""
    samples: Path
    """Folder of real data, which may not be there."""
    root: Path | None
    """Folder that has CamVid; None for none."""
    rehearse: bool
    """Everything at toy size on a CPU."""
    parallel: int
    """Chains of the smoke test at a time."""
    chains: tuple[str, ...]
    networks: tuple[str, ...]
    """To train on CamVid."""
    seeds: tuple[int, ...]
    command: tuple[str, ...]
    """Arguments of the whole run."""
    commit: str | None
    """Of this source tree, where git is not there to say it."""

    @property
    def device(self) -> str:
        """As the commands' --accelerator."""
        return "cpu" if self.rehearse else "gpu"

    @property
    def sizes(self) -> Sizes:
        """Of the measurements."""
        return TOY if self.rehearse else FULL

    @property
    def start(self) -> StartProcess:
        """How to start processes."""
        return ForkedProcess if self.rehearse else start_interpreter

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def parse(cls, text: str) -> "PartSettings":
        """From what `dump` gave."""
        values = json.loads(text)
        for name in ("work", "output", "samples", "root"):
            values[name] = None if values[name] is None else Path(values[name])
        for name in ("chains", "networks", "seeds", "command"):
            values[name] = tuple(values[name])
        return cls(**{field.name: values[field.name] for field in fields(cls)})
