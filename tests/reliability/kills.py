"""Kills: signals at random moments of every command; then it runs again, and must give the undisturbed results."""

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.reliability.commands import COMMANDS, Command
from tests.reliability.faults import Undisturbed, run_undisturbed
from tests.reliability.record import Case
from tests.reliability.stage import Kill, Outcome, perform
from tests.reliability.verdict import Verdict, differences, harm, state

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_WORKERS = 2
"""Processes or threads of the command; the signal is sent to the first process only."""


def run(name: str, start: int, stop: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Kill a command repeatedly, each time in a new folder."""
    command = COMMANDS[name]
    undisturbed = run_undisturbed(command, world, scratch)
    for number in range(start, stop):
        rng = random.Random(f"{name} {number}")
        kill = Kill(SIGNALS[number % len(SIGNALS)], rng.uniform(0.02, 1.0) * undisturbed.outcome.seconds)
        yield _kill(name, command, kill, undisturbed, world, scratch)


def _kill(name: str, command: Command, kill: Kill, undisturbed: Undisturbed, world: Path, scratch: Path) -> Case:
    folder = scratch / "work"
    command.lay_out(world, folder)
    work = command.work(_WORKERS)
    outcome = perform(work, folder, kill=kill)
    verdict, why = _judge(outcome, kill.number)
    now = state(folder)
    if verdict == Verdict.ANSWERED and (lost := harm(undisturbed.before, now, undisturbed.end)):
        verdict, why = Verdict.LOST, lost
    if verdict == Verdict.ANSWERED and now != undisturbed.end:
        again = perform(work, folder)
        if again.code != undisturbed.outcome.code:
            verdict, why = Verdict.LOST, f"the rerun ended with {again.code}: {again.text}"
        elif changed := differences(state(folder), undisturbed.end):
            verdict, why = Verdict.LOST, f"after the rerun differ: {', '.join(changed)}"
    shutil.rmtree(folder)
    what = f"{name}: {kill.number.name} after {kill.after:.3f} s"
    return Case(what, verdict, why, outcome.seconds - min(kill.after, outcome.seconds), outcome.mib)


def _judge(outcome: Outcome, number: signal.Signals) -> tuple[Verdict, str]:
    """The verdict on the end of a command after a signal."""
    if outcome.code is None or outcome.orphans:
        return Verdict.HANG, f"{outcome.orphans} processes are left\n{outcome.text}"
    if "Traceback (most recent call last)" in outcome.text or outcome.code not in (0, -number, 128 + number):
        return Verdict.TRACEBACK, f"code {outcome.code}\n{outcome.text}"
    return Verdict.ANSWERED, ""
