"""Run folder: configuration, state, weights and history of one training."""

import contextlib
import glob
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
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
from engine.training.history import Row as Row  # noqa: PLC0414  # part of this module's interface
from engine.training.model_card import CardFacts
from engine.training.state import State as State  # noqa: PLC0414
from engine.training.state import read_state


class Run:
    """Folder of one training.

    config.yaml       options of the training
    environment.json  commit, versions and hardware of each start
    history.jsonl     one line per epoch
    history.csv       the same as a table, written whenever the state is saved
    README.md         model card: scores, options, terms of the data
    last.pth          everything needed to resume, saved every few minutes and at the end
    best.pth          weights of the epoch with the best validation mIoU so far, written before each last.pth
    best.safetensors  the same weights for other programs
    epoch_NNN.pth     weights of every n-th epoch, with --save_every
    curves.png        loss and metrics over epochs, or curves.svg or curves.pdf
    tensorboard/      the same as TensorBoard events, with --logger tensorboard
    loggers.json      rows that were sent to other loggers
    class_index.npz   positions of the classes in the training masks, if they are needed
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
        """Create or reopen the folder, and record the options and the environment.

        Args:
            config: options of the training, as plain names and values.
            changeable: names of options that may change between two starts.
            defaults: values of options that are missing from the configuration in the folder, because an earlier
                version of this program wrote it. Options that only the folder has are ignored, with a note on stderr.

        Raises:
            InputError: if the folder is not writable, or contains a run with other options.
        """
        require_writable(self.folder)
        for part in find(self.folder, ".*.part", levels=0, hidden=True):
            part.unlink(missing_ok=True)  # unfinished files of killed processes
        # A start that failed before the first step, for example because of a wrong option, does not fix the options.
        begun = any(os.path.lexists(path) for path in (self.last, self.best, self._history))
        before = self.config() if begun else None
        if before is not None:
            changed = differences(config, before, changeable, defaults)
            if changed:
                raise InputError(
                    f"{self.folder}: contains a run with other options ({', '.join(changed)}); "
                    "give another --name, or the same options to resume it"
                )
            if vanished := [f"{name} {value}" for name, value in before.items() if name not in config]:
                ignored = f"{self._config}: ignored {', '.join(vanished)}, which this version does not know"
                print(f"note: {printable(ignored)}", file=sys.stderr)
        elif self.last.is_file():
            print(
                f"note: {self._config}: no such file, so the earlier options cannot be compared; this run resumes with "
                "the options of this command",
                file=sys.stderr,
            )
        write_text(self._config, yaml.safe_dump(config, sort_keys=False), durable=True)
        self._log.repair()
        self._settings = dict(config)
        self._record_environment()

    def _record_environment(self) -> None:
        """Append the environment of this start; a damaged file is renamed, because nothing depends on it."""
        starts: Any = []
        if os.path.lexists(self._environment):
            try:
                starts = read_json(self._environment)
                if not isinstance(starts, list):
                    raise InputError(f"{self._environment}: expected a list of starts")
            except InputError as error:
                starts, kept = [], set_aside(self._environment)
                print(f"note: {error}; it is kept as {kept.name}, and a new file is started", file=sys.stderr)
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self._described = {"began": began, **environment.describe()}
        write_json(self._environment, [*starts, self._described], durable=True)

    def config(self) -> dict[str, Any] | None:
        """Options that the run was started with; None for a new run.

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
                f"{self._config}: damaged, so the options of this run cannot be compared ({reason}); remove the file "
                "to resume with the options of this command, or give another --name"
            ) from error
        return before

    def history(self) -> list[Row]:
        """Rows of all epochs so far; lines that are not valid rows are left out."""
        return self._log.rows()

    def require_no_history(self) -> None:
        """Check that a run without a state is a new one.

        Raises:
            InputError: if its history already has epochs, which would be mixed with those of a new training.
        """
        if rows := self.history():
            raise InputError(
                f"{self.last}: no such file, but {self._history.name} next to it ends with epoch "
                f"{rows[-1]['epoch']}; restore the file to resume, or start a new run with another --name"
            )

    def resume(self, state: State, classes: Sequence[str]) -> None:
        """Rewind the history to a state, and report missing epochs and weights on stderr."""
        self.rewind(state.about.epoch)
        if state.row is not None:
            self.append(state.row)
        present = {row["epoch"] for row in self.history()}
        if missing := [str(epoch) for epoch in range(1, state.about.epoch + 1) if epoch not in present]:
            shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
            print(f"note: {self._history}: lacks epoch {shown}, and so do tables and curves", file=sys.stderr)
        if state.best is not None and not self.best.is_file():
            print(
                f"note: {self.best}: no such file, so the weights of epoch {state.best['epoch']}, the best so far, are "
                "lost; the next better epoch writes the file again",
                file=sys.stderr,
            )
        if self.best.is_file() and not self.best_safetensors.is_file():
            with contextlib.suppress(InputError):  # the training does not depend on this file
                found = checkpoints.load(self.best)
                if found.about is not None:
                    checkpoints.save_safetensors(self.best_safetensors, found.weights, found.about, classes)

    def rewind(self, epoch: int) -> None:
        """Remove the epochs after `epoch`, which are trained again because they are newer than the last saved state."""
        self._log.rewind(epoch)

    def append(self, row: Row) -> None:
        """Append an epoch to the history; an epoch that is already in it is ignored."""
        self._log.append(row)

    def curves(self, kind: str) -> Path:
        """File of the curves, for a format: png, svg or pdf."""
        return self._derived.curves(kind)

    def publish(self, benchmark: Benchmark, images: int, best: Row | None, *, curves: str, logger: str) -> None:
        """Update everything that is derived from the history: table, model card, curves and the rows of loggers.

        Args:
            benchmark: benchmark of the samples.
            images: number of training images.
            best: row of the best epoch so far; None if no epoch was validated.
            curves: file format of the curves: png, svg, pdf or none.
            logger: loggers that receive new rows, a value of `--logger`.
        """
        facts = CardFacts(self.folder.name, benchmark, self.history(), best, self._settings, self._described, images)
        self._derived.write(facts, curves=curves, logger=logger)

    def close(self) -> None:
        """Close the loggers."""
        self._derived.close()

    def save(self, state: State) -> None:
        """Write last.pth, the state from which the run resumes."""
        checkpoints.save(self.last, **vars(state))

    def save_best(self, weights: StateDict, about: About, classes: Sequence[str]) -> None:
        """Write best.pth and best.safetensors, the best weights so far.

        Args:
            weights: weights of the network.
            about: metadata of the weights.
            classes: names of the classes.
        """
        checkpoints.save(self.best, weights, about)
        checkpoints.save_safetensors(self.best_safetensors, weights, about, classes)

    def save_epoch(self, weights: StateDict, about: About) -> None:
        """Write epoch_NNN.pth, the weights of an epoch."""
        checkpoints.save(self.folder / f"epoch_{about.epoch:03}.pth", weights, about)

    def load(self) -> State | None:
        """Read the state to resume from; None for a run without a saved state.

        Raises:
            InputError: if the file is damaged, or needs a newer version of this program.
        """
        return read_state(self.last) if self.last.is_file() else None


def named_folder(saved: Path, name: str) -> Path:
    """Folder of a run with a given name.

    Raises:
        InputError: if the name is not that of a folder inside `saved`.
    """
    path = Path(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise InputError(f"--name {name!r}: expected the name of a folder inside {saved}, for example fcn8s-first")
    return saved / path


def find_run(
    saved: Path, config: dict[str, Any], changeable: Collection[str], defaults: Mapping[str, Any], *readable: str
) -> Run:
    """Find the run with these options in the folder of all runs, or make a new one.

    The name of a run ends with a hash of its options. An option that a later version adds changes the hash, so runs
    with the same readable part are also compared option by option.

    Args:
        saved: folder of all runs.
        config: options of the training, as plain names and values.
        changeable: names of options that may differ.
        defaults: values of options that the configuration of a run may lack.
        readable: first parts of the name.

    Raises:
        InputError: if several runs match, because they differ only in options that no longer exist.
    """
    run = Run(saved / default_name(config, changeable, *readable))
    if run.folder.exists():
        return run
    same = []
    for folder in find(saved, "-".join([*map(glob.escape, readable), "[0-9a-f]" * 8]), levels=0):
        with contextlib.suppress(InputError):  # a damaged configuration does not match
            before = Run(folder).config()
            if before is not None and not differences(config, before, changeable, defaults):
                same.append(folder)
    if len(same) > 1:
        names = ", ".join(folder.name for folder in same)
        raise InputError(
            f"{saved}: several runs have these options ({names}); choose one with --name, or give a new name"
        )
    return Run(same[0]) if same else run
