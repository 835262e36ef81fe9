"""Every file operation of every command fails in turn; then the command runs again."""

import errno
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import COMMANDS, Command
from tests.reliability.operations import Fault, Operation, Watch
from tests.reliability.record import Case
from tests.reliability.stage import Outcome, perform
from tests.reliability.verdict import State, Verdict, differences, harm, of_ending, state


class Undisturbed(NamedTuple):
    """A command that ran by itself."""

    outcome: Outcome
    before: State
    end: State
    operations: list[Operation]


def run_alone(command: Command, world: Path, scratch: Path) -> Undisturbed:
    """Run a command undisturbed, and note its file operations."""
    folder = scratch / "work"  # the same for all, because names of cached files follow from the paths of others
    command.lay_out(world, folder)
    before, notes = state(folder), scratch / "operations"
    work = command.work()

    def watched() -> int:
        with notes.open("w") as file:
            Watch(folder, note=lambda operation: file.write(json.dumps(operation) + "\n")).install()
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
    """Let each `step`-th operation of a command fail, and of these, one part of so many."""
    command = COMMANDS[name]
    alone = run_alone(command, world, scratch)
    places = [
        Fault(operation, error)
        for number, operation in enumerate(alone.operations)
        for error in operation.errors()[number % len(operation.errors()) :][:1]
    ]
    first = random.Random(name).randrange(min(step, len(places)))
    for fault in places[first::step][part::parts]:
        yield _strike(name, command, fault, alone, world, scratch)


def _strike(name: str, command: Command, fault: Fault, alone: Undisturbed, world: Path, scratch: Path) -> Case:
    folder = scratch / "work"
    command.lay_out(world, folder)
    work = command.work()

    def struck() -> int:
        Watch(folder, fault).install()
        return work()

    outcome = perform(struck, folder)
    now = state(folder)
    verdict, why = _judge(command, fault, outcome, alone, now)
    if verdict == Verdict.ANSWERED and now not in (alone.before, alone.end):  # else a rerun has nothing to mend
        again = perform(work, folder)
        if again.code != alone.outcome.code:
            verdict, why = Verdict.LOST, f"the rerun ended with {again.code}: {again.text}"
        elif changed := differences(state(folder), alone.end):
            verdict, why = Verdict.LOST, f"after the rerun differ: {', '.join(changed)}"
    shutil.rmtree(folder)
    kind, path, number = fault.operation
    what = f"{name}: {kind} no. {number} of {path} fails with {errno.errorcode[fault.error]}"
    return Case(what, verdict, why, outcome.seconds, outcome.mib)


def _judge(command: Command, fault: Fault, outcome: Outcome, alone: Undisturbed, now: State) -> tuple[Verdict, str]:
    """The verdict on a command whose operation on a path failed."""
    names = names_of(fault.operation.path)
    if fault.error == errno.ENOSPC:  # strikes other files too
        names.append(os.strerror(fault.error))
    verdict = of_ending(outcome, alone.outcome.code, names)
    if verdict != Verdict.ANSWERED:
        return verdict, outcome.text
    if lost := harm(alone.before, now, alone.end):
        return Verdict.LOST, lost
    if outcome.code == alone.outcome.code and not any(name in outcome.text for name in names):
        if changed := differences(now, alone.end):
            return Verdict.SILENT, f"code {outcome.code}, but differ: {', '.join(changed)}\n{outcome.text}"
        if command.speaks and outcome.text != alone.outcome.text:
            return Verdict.SILENT, f"code {outcome.code}, but says:\n{outcome.text}"
    return verdict, ""


def names_of(path: str) -> list[str]:
    """What a message may call a file: its own name, not that of the part that is being written."""
    name = Path(path).name.removesuffix(".part").removesuffix(".PID").removeprefix(".")
    return [Path(path).parent.name if name == "writable" else name]  # a probe of its folder
