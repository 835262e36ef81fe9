"""All cases, in batches; each batch runs in a process that is not disturbed itself."""

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
"""Command -> number of kills."""
FUZZ = {
    "polygons": 100_000,
    "png": 100_000,
    "checkpoint": 100_000,
    "yaml": 80_000,
    "recipe": 20_000,
    "zip": 100_000,
    "instance_text": 100_000,
    "instance_mask": 100_000,
    "panoptic_json": 100_000,
    "coco_results": 40_000,
    "coco_panoptic": 20_000,
    "labelme": 40_000,
    "cvat": 40_000,
    "labels": 80_000,
    "labels_yaml": 20_000,
}
"""Parser -> number of inputs; the two kinds of YAML, and of label tables, share the number of one parser."""
_SLOW = {name for name, command in COMMANDS.items() if command.heavy or name == "report"}
"""Commands that take about a second."""
FLIPS = {name: 45 if target.command in _SLOW else 460 for name, target in flips.TARGETS.items()}
"""Kind of file -> number of flipped bits."""
STEPS = {name: 5 if name in _SLOW else 1 for name in COMMANDS}
"""Command -> step: each `step`-th of its file operations fails."""
_BATCH = {"kills": 6, "flips": 60, "fuzz": 5000}
"""Class of cases -> number of cases in a batch."""
_SLOW_GUIDED = ("checkpoint", "yaml", "recipe", "labels_yaml")
"""Parsers that use torch or PyYAML, which are slow when their coverage is measured."""
_PARTS = 4
"""Number of batches for the faults of a command."""
_WIDEST = 40
"""Largest step between failing operations."""
_SAMPLED = 0.3
"""Share of the kinds that get one case if a small share would give them less than one."""


class Batch(NamedTuple):
    """Cases that one process runs at a time."""

    heavy: bool
    kind: str
    name: str
    start: int
    stop: int
    """End of the cases. Faults: start is 100 x part + parts, stop is the step. Hostile files: 0, and the step."""

    @property
    def key(self) -> str:
        """Name of the batch in the partial record."""
        return " ".join(map(str, self[1:]))


def batches(share: float) -> list[Batch]:
    """All batches for a share of the cases; light commands come first, because they must run without torch."""
    found = [Batch(False, "hostile", name, 0, 1 if share >= 0.01 else 3) for name in hostile.HOSTILE_FILES]
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
    """Run a batch, and return its totals as JSON content."""
    os.environ["MPLCONFIGDIR"] = str(scratch / "matplotlib")  # for its list of fonts, which is not a result
    multiprocessing.set_start_method(None, force=True)  # commands use the default start method
    load_modules(heavy=batch.heavy)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        return _performed(batch, world, folder).plain()
    except Exception:  # an error of the test must neither end the run nor be overlooked
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
    """Number of inputs of a batch that atheris chooses, if installed: in every second batch; few for slow parsers."""
    turn = batch.start // _BATCH["fuzz"]
    if guided.version() is None or turn % 2 == 0:
        return 0
    return (300 if turn == 1 else 0) if batch.name in _SLOW_GUIDED else batch.stop - batch.start


def perform_all(todo: Sequence[Batch], world: Path, workers: int) -> Iterator[tuple[Batch, dict[str, Any]]]:
    """Run light batches, then heavy ones, in new processes; yield results in the order in which they end."""
    scratch = world.parent
    for heavy in (False, True):
        some = [batch for batch in todo if batch.heavy == heavy]
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            futures = {pool.submit(perform_batch, batch, world, scratch): batch for batch in some}
            for future in as_completed(futures):
                yield futures[future], future.result()
