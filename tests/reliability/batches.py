"""All that is tried, in batches, each by a process that nothing disturbs."""

import multiprocessing
import os
import random
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from tests.reliability import faults, flips, fuzz, guided, hostile, kills
from tests.reliability.commands import COMMANDS, load_modules
from tests.reliability.parsers import PARSERS
from tests.reliability.record import Case, Totals
from tests.reliability.verdict import Verdict

KILLS = {name: 8 if command.heavy else 6 for name, command in COMMANDS.items() if name != "export"}
"""Command -> how many kills."""
FUZZ = {
    "polygons": 100_000,
    "png": 100_000,
    "checkpoint": 100_000,
    "yaml": 80_000,
    "recipe": 20_000,
    "zip": 100_000,
    "labels": 80_000,
    "labels_yaml": 20_000,
}
"""Parser -> how many inputs; both kinds of YAML and of label tables together have as many as the others."""
FLIPS = {name: 45 if COMMANDS[target.command].heavy else 460 for name, target in flips.TARGETS.items()}
"""Kind of file -> how many flipped bits."""
STEPS = {name: 5 if command.heavy else 1 for name, command in COMMANDS.items()}
"""Command -> every which of its file operations fails."""
_BATCH = {"kills": 6, "flips": 60, "fuzz": 5000}
"""Cases in a batch."""
_SLOW_GUIDED = ("checkpoint", "yaml", "recipe", "labels_yaml")
"""Parsers in torch and PyYAML, which are slow once their lines are counted."""
_PARTS = 4
"""Batches of a command's faults."""
_WIDEST = 40
"""The largest step between operations that fail."""
_SAMPLED = 0.3
"""Of what has less than one case in a small share, the part that has one."""


class Batch(NamedTuple):
    """What one process does at a time."""

    heavy: bool
    kind: str
    name: str
    start: int
    stop: int
    """Cases, up to this one; of faults, 100 x part + parts and the step; of hostile files, 0 and the step."""

    @property
    def key(self) -> str:
        """Its name in the partial record."""
        return " ".join(map(str, self[1:]))


def batches(share: float) -> list[Batch]:
    """All that is to be done, the light commands first: they must not find torch loaded."""
    found = [Batch(False, "hostile", name, 0, 1 if share >= 0.01 else 3) for name in hostile.TRAPS]
    for name, step in STEPS.items():
        parts = _PARTS if share == 1 else 1
        heavy = COMMANDS[name].heavy
        if not heavy or share >= 0.01 or _is_sampled("faults", name):
            step = min(round(step / share), _WIDEST)
            found += [Batch(heavy, "faults", name, 100 * part + parts, step) for part in range(parts)]
    for kind, numbers in (("kills", KILLS), ("flips", FLIPS), ("fuzz", FUZZ)):
        for name, whole in numbers.items():
            number = max(round(share * whole), int(_is_sampled(kind, name)))
            heavy, size = _is_heavy(kind, name), _BATCH[kind]
            found += [Batch(heavy, kind, name, at, min(number, at + size)) for at in range(0, number, size)]
    return sorted(found)


def _is_sampled(kind: str, name: str) -> bool:
    return random.Random(f"{kind} {name}").random() < _SAMPLED


def _is_heavy(kind: str, name: str) -> bool:
    if kind == "fuzz":
        return PARSERS[name].heavy
    return COMMANDS[flips.TARGETS[name].command if kind == "flips" else name].heavy


def perform_batch(batch: Batch, world: Path, scratch: Path) -> dict[str, Any]:
    """Do a batch, and give its totals as JSON content."""
    os.environ["MPLCONFIGDIR"] = str(scratch / "matplotlib")  # its list of fonts is no result
    multiprocessing.set_start_method(None, force=True)  # commands start theirs as usual, not as this one was started
    load_modules(heavy=batch.heavy)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        return _performed(batch, world, folder).plain()
    except Exception:  # a fault of ours must not end the night's work, nor be overlooked
        return Totals().add([Case(batch.key, Verdict.TRACEBACK, traceback.format_exc())]).plain()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _performed(batch: Batch, world: Path, folder: Path) -> Totals:
    totals = Totals()
    match batch.kind:
        case "hostile":
            totals.add(hostile.run(batch.name, batch.stop, world, folder))
        case "faults":
            totals.add(faults.run(batch.name, *divmod(batch.start, 100), batch.stop, world, folder))
        case "kills":
            totals.add(kills.run(batch.name, batch.start, batch.stop, world, folder))
        case "flips":
            totals.add(flips.run(batch.name, batch.start, batch.stop, world, folder))
        case "fuzz":
            middle = min(batch.stop, batch.start + _guided(batch))
            if middle > batch.start:
                totals.merge(fuzz.run_guided(batch.name, batch.start, middle, world, folder).plain())
            if middle < batch.stop:
                totals.merge(fuzz.run(batch.name, middle, batch.stop, world, folder).plain())
    return totals


def _guided(batch: Batch) -> int:
    """How many inputs of a batch atheris looks for, if it is installed: in every second batch, or few if it is slow."""
    turn = batch.start // _BATCH["fuzz"]
    if guided.version() is None or turn % 2 == 0:
        return 0
    return (300 if turn == 1 else 0) if batch.name in _SLOW_GUIDED else batch.stop - batch.start


def perform_all(todo: Sequence[Batch], world: Path, workers: int) -> Iterator[tuple[Batch, dict[str, Any]]]:
    """Light batches, then heavy ones, in processes of their own; results as they come."""
    scratch = world.parent
    for heavy in (False, True):
        some = [batch for batch in todo if batch.heavy == heavy]
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            futures = {pool.submit(perform_batch, batch, world, scratch): batch for batch in some}
            for future in as_completed(futures):
                yield futures[future], future.result()
