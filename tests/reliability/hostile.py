"""Files that somebody made to do harm, one by one: each is refused with a message, soon, and with little memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reliability.archives import tars, zips
from tests.reliability.contents import kinds, pngs, texts
from tests.reliability.record import Case
from tests.reliability.stage import perform
from tests.reliability.traps import Trap
from tests.reliability.verdict import Verdict, of_ending

_LIMIT = 20
"""Seconds after which a command hangs."""

TRAPS: dict[str, Callable[[], list[Trap]]] = {
    "zips": zips,
    "tars": tars,
    "PNGs": pngs,
    "texts": texts,
    "kinds of files": kinds,
}
"""Kind of hostile files -> all of them."""


def run(name: str, step: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Meet every `step`-th hostile file of a kind."""
    for number, trap in enumerate(TRAPS[name]()[::step]):
        folder = scratch / f"{number}" / "inside"
        trap.command.lay_out(world, folder)
        (scratch / f"{number}" / "outside").mkdir()
        path = folder / trap.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or path.is_symlink():
            path.unlink()
        trap.spring(path)
        before = _outside(scratch / f"{number}")
        outcome = perform(trap.command.work(), folder, limit=_LIMIT)
        verdict = of_ending(
            outcome, 0 if trap.harmless else None, ["_".join(path.name.split("_")[:3]), *filter(None, [trap.named])]
        )
        why = f"code {outcome.code}\n{outcome.text}" if verdict != Verdict.ANSWERED else ""
        if _outside(scratch / f"{number}") != before:
            verdict, why = Verdict.LOST, "it wrote outside of its folder"
        yield Case(f"{name}: {trap.name}", verdict, why, outcome.seconds, outcome.mib)


def _outside(folder: Path) -> list[str]:
    return sorted(str(path) for path in [*folder.iterdir(), *(folder / "outside").rglob("*")])
