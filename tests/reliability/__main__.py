"""Disturb every command and parser, and record how each case ended: `make torture`.

The cases are run in batches, one per worker; finished batches of a stopped run are not repeated.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from engine import environment
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.errors import InputError
from engine.files.atomic import write_json
from tests.reliability import guided
from tests.reliability.batches import Batch, batches, perform_all
from tests.reliability.commands import load_modules
from tests.reliability.record import describe, table
from tests.reliability.stage import perform
from tests.reliability.world import build_world


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run all cases, print and record them; exit code 1 if any verdict is bad."""
    options = _parser().parse_args(argv)
    if not 0 < options.share <= 1:
        raise InputError(f"--share {options.share}: expected more than 0, up to 1")
    if guided.version() is None:
        print("atheris is not installed: all random files are from seeded mutations, none is guided by coverage")
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"  # of killed processes
    began = time.monotonic()
    todo = [batch for batch in batches(options.share) if options.only in (None, batch.kind)]
    partial = options.output.with_suffix(f".{options.share:g}.part.jsonl")
    commit = environment.commit()
    done = _done(partial, todo, commit)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        _require(perform(lambda: _build(world), Path(folder), limit=300))
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("a") as file:
            left = [batch for batch in todo if batch.key not in done]
            for batch, totals in perform_all(left, world, options.workers):
                done[batch.key] = totals
                file.write(json.dumps({"batch": batch.key, "commit": commit, "totals": totals}) + "\n")
                file.flush()
                _tell(batch, totals, len(done), len(todo), time.monotonic() - began)
    record = describe(done, options.share, time.monotonic() - began, guided.version())
    write_json(options.output, record)
    partial.unlink()
    print(table(record))
    return 0 if record["good"] else 1


def _build(world: Path) -> int:
    load_modules(heavy=True)
    build_world(world)
    return 0


def _require(outcome: Any) -> None:
    if outcome.code != 0:
        raise InputError(f"the undisturbed commands fail: {outcome.text}")


def _done(partial: Path, todo: Sequence[Batch], commit: str | None) -> dict[str, dict[str, Any]]:
    """Batch -> totals, for batches that an earlier run on the same commit has finished."""
    if not partial.is_file():
        return {}
    keys = {batch.key for batch in todo}
    lines = [json.loads(line) for line in partial.read_text().splitlines() if line.endswith("}")]
    return {line["batch"]: line["totals"] for line in lines if line["batch"] in keys and line["commit"] == commit}


def _tell(batch: Batch, totals: dict[str, Any], done: int, of: int, seconds: float) -> None:
    counts = ", ".join(f"{number} {name}" for name, number in sorted(totals["verdicts"].items()))
    print(f"[{seconds:5.0f} s, {done}/{of}] {batch.key}: {counts}", flush=True)
    for case in totals["bad"]:
        print(
            f"    {case['verdict']}: {case['what']}\n        {case['why'][-500:]}".replace("\n", "\n        "),
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "tests.reliability",
        "Disturb every command and parser: disk faults, kills, flipped bits, hostile and random files.",
        ["python -m tests.reliability", "python -m tests.reliability --share 0.02 --output /tmp/torture.json"],
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of the cases to run (default: %(default)s)")
    parser.add_argument(
        "--only", choices=("faults", "flips", "fuzz", "hostile", "kills"), help="only this class of cases"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="batches at a time (default: all CPUs)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "docs" / "results" / "torture.json",
        help="file for the record (default: in docs/results)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
