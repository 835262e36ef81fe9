"""A run: the folder of one training, and what is printed about its network."""

import contextlib
import glob
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from engine import checkpoints, environment
from engine.benchmark import Benchmark
from engine.checkpoints import About, StateDict
from engine.errors import InputError, printable
from engine.files.atomic import require_writable, set_aside, write_json, write_text
from engine.files.documents import read_json, read_yaml
from engine.files.folders import find
from engine.training.config import default_name, differences
from engine.training.derived import Derived
from engine.training.epoch_log import EpochLog
from engine.training.history import Row as Row  # noqa: PLC0414  # also to be had from here
from engine.training.model_card import CardFacts
from engine.training.state import State as State  # noqa: PLC0414
from engine.training.state import read_state


class Run:
    """A training's folder.

    config.yaml       what was asked for
    environment.json  commit, versions and hardware, once for each time the run was started
    history.jsonl     one line an epoch
    history.csv       the same as a table, made from it whenever the state is saved
    README.md         model card: scores, settings, terms of the data
    last.pth          everything needed to resume, saved every few minutes and at the end
    best.pth          the weights of the epoch with the best validation mIoU so far, written before each last.pth
    best.safetensors  the same for other programs
    epoch_NNN.pth     those of every n-th epoch, where that was asked for
    curves.png        loss and metrics over epochs, or curves.svg or curves.pdf
    tensorboard/      the same as events, by --logger tensorboard
    loggers.json      which rows other loggers have
    class_index.npz   where each class lies in the training masks, where that was needed
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.pth"
        self.best = folder / "best.pth"
        self.best_safetensors = folder / "best.safetensors"
        self.tensorboard = folder / "tensorboard"
        self.class_index = folder / "class_index.npz"
        self._config = folder / "config.yaml"
        self._environment = folder / "environment.json"
        self._history = folder / "history.jsonl"
        self._log = EpochLog(self._history, self.last)
        self._derived = Derived(folder)
        self._settings: dict[str, Any] = {}
        """Settings of this start."""
        self._described: dict[str, Any] = {}
        """Commit, versions and hardware of this start."""

    def start(
        self, config: dict[str, Any], changeable: Collection[str], defaults: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Create the folder, or come back to it, and note the environment.

        Args:
            config: plain names and values.
            changeable: names whose values may change between one start and the next.
            defaults: values of the names that the folder's configuration does not have yet, because an earlier version
                of this program wrote it. Names that it has and `config` has not are ignored, with a note on stderr.

        Raises:
            InputError: if the folder cannot be written to, or holds a run with another configuration.
        """
        require_writable(self.folder)
        for part in find(self.folder, ".*.part", levels=0, hidden=True):
            part.unlink(missing_ok=True)  # what a killed process was about to write
        # A start that failed before the first step, for example by a wrong option, binds nobody to its settings.
        begun = any(os.path.lexists(path) for path in (self.last, self.best, self._history))
        before = self.config() if begun else None
        if before is not None:
            changed = differences(config, before, changeable, defaults)
            if changed:
                raise InputError(
                    f"{self.folder}: holds a run with other settings ({', '.join(changed)}); "
                    "give another --name, or the same settings to resume it"
                )
            if vanished := [f"{name} {value}" for name, value in before.items() if name not in config]:
                ignored = f"{self._config}: ignored {', '.join(vanished)}, which this version does not know"
                print(f"note: {printable(ignored)}", file=sys.stderr)
        elif self.last.is_file():
            print(
                f"note: {self._config}: no such file, so the settings of before cannot be compared; this run resumes "
                "with those of this command",
                file=sys.stderr,
            )
        write_text(self._config, yaml.safe_dump(config, sort_keys=False), durable=True)
        self._log.repair()
        self._settings = dict(config)
        self._note_environment()

    def _note_environment(self) -> None:
        """Add this start to the others; nothing depends on that file, so a damaged one is only set aside."""
        starts: Any = []
        if os.path.lexists(self._environment):
            try:
                starts = read_json(self._environment)
                if not isinstance(starts, list):
                    raise InputError(f"{self._environment}: got no list of starts")
            except InputError as error:
                starts, kept = [], set_aside(self._environment)
                print(f"note: {error}; it is kept as {kept.name}, and a new one is begun", file=sys.stderr)
        self._described = environment.describe()
        write_json(self._environment, [*starts, self._described], durable=True)

    def config(self) -> dict[str, Any] | None:
        """The configuration that the run was begun with; None for a new run.

        Raises:
            InputError: if the file is damaged.
        """
        if not os.path.lexists(self._config):
            return None
        try:
            before = read_yaml(self._config)
            if not isinstance(before, dict) or any(isinstance(value, list | dict) for value in before.values()):
                raise InputError(f"{self._config}: expected option names and values")
        except InputError as error:
            reason = str(error).removeprefix(f"{self._config}: ")
            raise InputError(
                f"{self._config}: damaged, so the settings of this run cannot be compared ({reason}); remove the file "
                "to resume with the settings that you give, or give another --name"
            ) from error
        return before

    def history(self) -> list[Row]:
        """The epochs so far; a line that a killed process left unfinished is no epoch."""
        return self._log.rows()

    def require_no_history(self) -> None:
        """Check that a run without a state is a new one.

        Raises:
            InputError: if its history has epochs already, which those of a new training would be mixed with.
        """
        if rows := self.history():
            raise InputError(
                f"{self.last}: no such file, but {self._history.name} beside it ends with epoch "
                f"{rows[-1]['epoch']}; put the file back to resume, or begin anew under another --name"
            )

    def resume(self, state: State, classes: Sequence[str]) -> None:
        """Bring the history to where a state is, and say on stderr what is missing beside it."""
        self.rewind(state.about.epoch)
        if state.row is not None:
            self.append(state.row)
        there = {row["epoch"] for row in self.history()}
        if missing := [str(epoch) for epoch in range(1, state.about.epoch + 1) if epoch not in there]:
            shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
            print(f"note: {self._history}: lacks epoch {shown}; tables and curves are without", file=sys.stderr)
        if state.best is not None and not self.best.is_file():
            print(
                f"note: {self.best}: no such file, so the weights of epoch {state.best['epoch']}, the best so far, are "
                "lost; it is written again by the first epoch that is better",
                file=sys.stderr,
            )
        if self.best.is_file() and not self.best_safetensors.is_file():
            with contextlib.suppress(InputError):  # nothing here depends on it
                found = checkpoints.load(self.best)
                if found.about is not None:
                    checkpoints.save_safetensors(self.best_safetensors, found.weights, found.about, classes)

    def rewind(self, epoch: int) -> None:
        """Forget the epochs after one: they came after the last saved state, so they are trained again."""
        self._log.rewind(epoch)

    def append(self, row: Row) -> None:
        """Add an epoch to the history, unless it is there already."""
        self._log.append(row)

    def curves(self, kind: str) -> Path:
        """The picture of the history: png, svg or pdf."""
        return self._derived.curves(kind)

    def publish(self, benchmark: Benchmark, best: Row | None, *, curves: str, logger: str) -> None:
        """Bring what is made from the history up to date: table, model card, curves, and what loggers have.

        Args:
            benchmark: of the samples.
            best: the row of the best epoch so far; None where none was validated.
            curves: the kind of picture to draw: png, svg or pdf, or none.
            logger: the loggers that get new rows, a value of `--logger`.
        """
        facts = CardFacts(self.folder.name, benchmark, self.history(), best, self._settings, self._described)
        self._derived.write(facts, curves=curves, logger=logger)

    def close(self) -> None:
        """End the loggers."""
        self._derived.close()

    def save(self, state: State) -> None:
        """Replace the state from which the run resumes."""
        checkpoints.save(self.last, **vars(state))

    def save_best(self, weights: StateDict, about: About, classes: Sequence[str]) -> None:
        """Replace the best weights, in both formats.

        Args:
            weights: of the network.
            about: metadata of the weights.
            classes: the names of the classes.
        """
        checkpoints.save(self.best, weights, about)
        checkpoints.save_safetensors(self.best_safetensors, weights, about, classes)

    def save_epoch(self, weights: StateDict, about: About) -> None:
        """Keep the weights of an epoch beside the others."""
        checkpoints.save(self.folder / f"epoch_{about.epoch:03}.pth", weights, about)

    def load(self) -> State | None:
        """The state to resume from; None for a run that has not got that far.

        Raises:
            InputError: if the file is damaged, or was written by a version of this program that is too new.
        """
        return read_state(self.last) if self.last.is_file() else None


def named_folder(saved: Path, name: str) -> Path:
    """The folder of a run that a person gave a name.

    Raises:
        InputError: if it is no name of a folder below that of all runs.
    """
    path = Path(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise InputError(f"--name {name!r}: expected the name of a folder below {saved}, for example fcn8s-first")
    return saved / path


def find_run(
    saved: Path, config: dict[str, Any], changeable: Collection[str], defaults: Mapping[str, Any], *readable: str
) -> Run:
    """The run of these settings in the folder of all runs, or a new one.

    Its name ends with a hash of the settings. An option that a later version adds changes the hash, so runs with the
    same readable part are compared setting by setting too.

    Args:
        saved: folder of all runs.
        config: plain names and values.
        changeable: names whose values may differ.
        defaults: values of names that the configuration of a run may lack.
        readable: first parts of the name.

    Raises:
        InputError: if there are several such runs, told apart only by options that there are no more.
    """
    run = Run(saved / default_name(config, changeable, *readable))
    if run.folder.exists():
        return run
    same = []
    for folder in find(saved, "-".join([*map(glob.escape, readable), "[0-9a-f]" * 8]), levels=0):
        with contextlib.suppress(InputError):  # a damaged run is none of these settings
            before = Run(folder).config()
            if before is not None and not differences(config, before, changeable, defaults):
                same.append(folder)
    if len(same) > 1:
        names = ", ".join(folder.name for folder in same)
        raise InputError(
            f"{saved}: several runs have these settings ({names}); choose one by --name, or give a new one"
        )
    return Run(same[0]) if same else run
