"""Run benches by name, record what they found and print it; `python -m bench gpu` has options of its own.

A bench is a module with `run(samples) -> record`, where samples is the folder of real data, which may not
be there, and the record is JSON content; and with `table(record)`, the text that is printed.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from bench import REPOSITORY, gpu
from engine import environment
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.errors import InputError
from engine.files.atomic import write_json

BENCHES = (
    "ground_truth",
    "ground_truth_fidelity",
    "scoring",
    "loader",
    "training_step",
    "kills",
    "traffic",
    "forward",
    "prediction",
    "forward_gpu",
)
"""Names of modules in this package."""
NEED_GPU = {"forward_gpu"}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and record."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["gpu"]:  # takes a quarter of an hour of a GPU, so it is never meant by chance
        return gpu.main(arguments[1:])
    chosen = _parser().parse_args(arguments)
    names = chosen.names or [name for name in BENCHES if torch.cuda.is_available() or name not in NEED_GPU]
    if unknown := sorted(set(names) - set(BENCHES)):
        raise InputError(f"no bench called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    for name in names:
        bench = importlib.import_module(f"bench.{name}")
        print(f"--- {name}", flush=True)
        record = {
            "bench": name,
            "load_average_before": round(os.getloadavg()[0], 1),
            "command": f"python -m bench {name}",
            **bench.run(chosen.samples),
            "environment": environment.describe(),
        }
        print(bench.table(record), flush=True)
        write_json(chosen.output / f"{name}.json", record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "bench",
        "Measure side by side against the reference tools.",
        ["python -m bench", "python -m bench ground_truth --output outputs/bench", "python -m bench gpu --rehearse"],
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHES)}; default: all that can be"
    )
    samples = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument("--samples", type=Path, default=samples, help="folder of real data; else SEGMENTATION_DATA")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "docs" / "results", help="folder for NAME.json (docs/results)"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
