"""Hostile files, one by one: each must be refused with a message, in bounded time and memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.archives import tars, zips
from tests.reliability.contents import kinds, pngs, texts
from tests.reliability.hostile_file import HostileFile
from tests.reliability.record import Case
from tests.reliability.report_contents import reports
from tests.reliability.stage import perform
from tests.reliability.task_contents import cycles, tasks
from tests.reliability.verdict import Verdict, of_ending

_LIMIT = 20
"""Seconds after which a command counts as a hang."""

HOSTILE_FILES: dict[str, Callable[[], list[HostileFile]]] = {
    "zips": zips,
    "tars": tars,
    "PNGs": pngs,
    "texts": texts,
    "kinds of files": kinds,
    "tasks": tasks,
    "cycles of links": cycles,
    "reports": reports,
}
"""Kind of hostile files -> function that lists them."""


def run(name: str, step: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Run commands on each `step`-th hostile file of a kind."""
    for number, hostile_file in enumerate(HOSTILE_FILES[name]()[::step]):
        folder = scratch / f"{number}" / "inside"
        hostile_file.command.lay_out(world, folder)
        (scratch / f"{number}" / "outside").mkdir()
        path = folder / hostile_file.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or path.is_symlink():
            path.unlink()
        hostile_file.write(path)
        before = _outside(scratch / f"{number}")
        outcome = perform(hostile_file.command.work(), folder, limit=_LIMIT)
        verdict = of_ending(
            outcome,
            0 if hostile_file.harmless else None,
            ["_".join(path.name.split("_")[:3]), *filter(None, [hostile_file.named])],
        )
        why = f"code {outcome.code}\n{outcome.text}" if verdict != Verdict.ANSWERED else ""
        if _outside(scratch / f"{number}") != before:
            verdict, why = Verdict.LOST, "it wrote outside of its folder"
        yield Case(f"{name}: {hostile_file.name}", verdict, why, outcome.seconds, outcome.mib)


def _outside(folder: Path) -> list[str]:
    return sorted(str(path) for path in [*folder.iterdir(), *(folder / "outside").rglob("*")])
