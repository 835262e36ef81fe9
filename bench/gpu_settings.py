"""Settings for the parts of `python -m bench gpu`."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.launch import ForkedProcess, StartProcess, start_interpreter

SaveResult = Callable[[dict[str, Any]], None]
"""Function that a part calls with its result so far; it is saved at once."""
FILES_BACK = 8
"""Most files that can be copied back from a machine; the record is one of them."""


@dataclass(frozen=True)
class Sizes:
    """Sizes and numbers of repeats of all parts."""

    matrix: int | None
    """Side of the matrices that measure the roofline; None for the default of the device."""
    scene: tuple[int, int]
    """Height and width of the images of the parts forward and prediction."""
    repeats: int
    """Number of forward passes that are timed in each process."""
    rounds: int
    """Rounds of the side-by-side measurements; fewer if time runs out."""
    training: tuple[int, int, int]
    """Images per training step, side of the crops, and number of steps."""
    predicted: tuple[int, int]
    """Number of images for our prediction, and for the original loop."""
    toy: tuple[int, int]
    """Height and width of the images of the smoke test."""
    toy_crop: int
    """Side of the crops of the smoke test."""
    trial_epochs: int
    """Epochs of the trial training that measures the time of an epoch."""
    epochs: int
    """Most epochs of a training on CamVid."""


FULL = Sizes(None, (1024, 2048), 50, 3, (16, 1024, 20), (400, 24), (360, 480), 128, 10, 800)
TOY = Sizes(128, (64, 128), 1, 1, (1, 64, 1), (4, 2), (64, 96), 32, 4, 2)


@dataclass(frozen=True)
class PartSettings:
    """Settings for one part of one run."""

    seconds: float
    """Seconds until the part should end by itself; it is killed a little later."""
    work: Path
    """Folder for temporary files, the same for all parts."""
    output: Path
    """Folder for the record and the weights."""
    samples: Path
    """Folder of real data, which may be missing."""
    root: Path | None
    """Data folder with CamVid; None if there is none."""
    rehearse: bool
    """Whether everything runs at toy size on a CPU."""
    parallel: int
    """Number of chains of the smoke test that run at the same time."""
    chains: tuple[str, ...]
    """Names of the chains to run; empty for all."""
    networks: tuple[str, ...]
    """Names of the networks to train on CamVid."""
    seeds: tuple[int, ...]
    """Seeds of the trainings on CamVid."""
    command: tuple[str, ...]
    """Arguments of the whole run."""
    commit: str | None
    """Commit of this source tree, if git is missing; None to ask git."""

    @property
    def device(self) -> str:
        """Value for the commands' --accelerator."""
        return "cpu" if self.rehearse else "gpu"

    @property
    def sizes(self) -> Sizes:
        """Sizes for a rehearsal or for a GPU."""
        return TOY if self.rehearse else FULL

    @property
    def start(self) -> StartProcess:
        """Function that starts processes; in a rehearsal by a fork, which saves their imports."""
        return ForkedProcess if self.rehearse else start_interpreter

    def dump(self) -> str:
        """The settings as JSON, for the command line of a part."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def parse(cls, text: str) -> "PartSettings":
        """Settings from the JSON of `dump`."""
        values = json.loads(text)
        for name in ("work", "output", "samples", "root"):
            values[name] = None if values[name] is None else Path(values[name])
        for name in ("chains", "networks", "seeds", "command"):
            values[name] = tuple(values[name])
        return cls(**{field.name: values[field.name] for field in fields(cls)})
