"""Faults: each file operation of each command fails in turn; then the command runs again."""

import errno
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import COMMANDS, Command
from tests.reliability.operations import Fault, FaultInjector, Operation
from tests.reliability.record import Case
from tests.reliability.stage import Outcome, perform
from tests.reliability.verdict import State, Verdict, differences, harm, of_ending, state


class Undisturbed(NamedTuple):
    """An undisturbed run of a command."""

    outcome: Outcome
    before: State
    end: State
    operations: list[Operation]


def run_undisturbed(command: Command, world: Path, scratch: Path) -> Undisturbed:
    """Run a command undisturbed, and record its file operations."""
    folder = scratch / "work"  # the same path for all runs, because names of cached files depend on it
    command.lay_out(world, folder)
    before, notes = state(folder), scratch / "operations"
    work = command.work()

    def watched() -> int:
        with notes.open("w") as file:
            FaultInjector(folder, note=lambda operation: file.write(json.dumps(operation) + "\n")).install()
            return work()

    outcome = perform(watched, folder)
    if outcome.code != 0 or not notes.stat().st_size:
        raise RuntimeError(f"{command.line}: undisturbed, ended with {outcome.code}\n{outcome.text}")
    operations = [Operation(*json.loads(line)) for line in notes.read_text().splitlines()]
    end = state(folder)
    shutil.rmtree(scratch / "kept", ignore_errors=True)
    folder.rename(scratch / "kept")
    return Undisturbed(outcome, before, end, operations)


def run(name: str, part: int, parts: int, step: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Let each `step`-th operation of a command fail; this call runs one of `parts` parts of the cases."""
    command = COMMANDS[name]
    undisturbed = run_undisturbed(command, world, scratch)
    places = [
        Fault(operation, error)
        for number, operation in enumerate(undisturbed.operations)
        for error in operation.errors()[number % len(operation.errors()) :][:1]
    ]
    first = random.Random(name).randrange(min(step, len(places)))
    for fault in places[first::step][part::parts]:
        yield _inject(name, command, fault, undisturbed, world, scratch)


def _inject(name: str, command: Command, fault: Fault, undisturbed: Undisturbed, world: Path, scratch: Path) -> Case:
    folder = scratch / "work"
    command.lay_out(world, folder)
    work = command.work()

    def injected() -> int:
        FaultInjector(folder, fault).install()
        return work()

    outcome = perform(injected, folder)
    now = state(folder)
    verdict, why = _judge(command, fault, outcome, undisturbed, now)
    if verdict == Verdict.ANSWERED and now not in (
        undisturbed.before,
        undisturbed.end,
    ):  # otherwise a rerun has nothing to repair
        again = perform(work, folder)
        if again.code != undisturbed.outcome.code:
            verdict, why = Verdict.LOST, f"the rerun ended with {again.code}: {again.text}"
        elif changed := differences(state(folder), undisturbed.end):
            verdict, why = Verdict.LOST, f"after the rerun differ: {', '.join(changed)}"
    shutil.rmtree(folder)
    kind, path, number = fault.operation
    what = f"{name}: {kind} no. {number} of {path} fails with {errno.errorcode[fault.error]}"
    return Case(what, verdict, why, outcome.seconds, outcome.mib)


def _judge(
    command: Command, fault: Fault, outcome: Outcome, undisturbed: Undisturbed, now: State
) -> tuple[Verdict, str]:
    """The verdict on a command with a failed operation."""
    names = names_of(fault.operation.path)
    if fault.error == errno.ENOSPC:  # a full disk affects other files too
        names.append(os.strerror(fault.error))
    verdict = of_ending(outcome, undisturbed.outcome.code, names)
    if verdict != Verdict.ANSWERED:
        return verdict, outcome.text
    if lost := harm(undisturbed.before, now, undisturbed.end):
        return Verdict.LOST, lost
    if outcome.code == undisturbed.outcome.code and not any(name in outcome.text for name in names):
        if changed := differences(now, undisturbed.end):
            return Verdict.SILENT, f"code {outcome.code}, but differ: {', '.join(changed)}\n{outcome.text}"
        if command.speaks and outcome.text != undisturbed.outcome.text:
            return Verdict.SILENT, f"code {outcome.code}, but says:\n{outcome.text}"
    return verdict, ""


def names_of(path: str) -> list[str]:
    """Names of a file in messages: its final name, not that of the unfinished file."""
    name = Path(path).name.removesuffix(".part").removesuffix(".PID").removeprefix(".")
    return [Path(path).parent.name if name == "writable" else name]  # a probe file, whose folder is named
