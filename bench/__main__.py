"""Run benches by name, print their results and record them; `python -m bench gpu` has its own options.

A bench is a module or package with two functions. `run(samples) -> record` measures: samples is the folder of real
data, which may be missing, and the record is JSON content. `table(record)` returns the text to print.
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
    "report",
)
"""Names of the benches, which are modules of this package."""
_OF_SCORING = ("parts", "images", "rounds", "minutes")
"""Options of the bench `scoring`."""
NEED_GPU = {"forward_gpu"}
"""Benches that are left out by default if there is no GPU."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the benches, print their tables and write their records."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["gpu"]:  # never runs by default, because it takes a quarter of an hour on a GPU
        return gpu.main(arguments[1:])
    options = _parser().parse_args(arguments)
    names = options.names or [name for name in BENCHES if torch.cuda.is_available() or name not in NEED_GPU]
    if unknown := sorted(set(names) - set(BENCHES)):
        raise InputError(f"unknown bench {', '.join(unknown)}; choose from: {', '.join(BENCHES)}")
    own = {name: getattr(options, name) for name in _OF_SCORING if getattr(options, name) is not None}
    if own and names != ["scoring"]:
        raise InputError(f"--{', --'.join(own)}: for the bench scoring alone; run: python -m bench scoring ...")
    for name in names:
        bench = importlib.import_module(f"bench.{name}")
        print(f"--- {name}", flush=True)
        record = {
            "bench": name,
            "load_average_before": round(os.getloadavg()[0], 1),
            "command": f"python -m bench {name}",
            **bench.run(options.samples, **own),
            "environment": environment.describe(),
        }
        print(bench.table(record), flush=True)
        write_json(options.output / f"{name}.json", record)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "bench",
        "Run side-by-side measurements against reference tools, and record the results.",
        [
            "python -m bench",
            "python -m bench ground_truth --output outputs/bench",
            "python -m bench scoring --parts instance panoptic --images 15 --output outputs/bench",
            "python -m bench gpu --rehearse",
        ],
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"benches to run: {', '.join(BENCHES)} (default: all that this machine can run)",
    )
    samples = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument(
        "--samples",
        type=Path,
        default=samples,
        help="folder of real data (default: environment variable SEGMENTATION_DATA)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "docs" / "results",
        help="output folder for NAME.json (default: docs/results)",
    )
    scoring = parser.add_argument_group("options of the bench scoring")
    scoring.add_argument(
        "--parts",
        nargs="+",
        metavar="PART",
        help="parts to measure: pixel, instance, panoptic, panoptic_gt (default: all)",
    )
    scoring.add_argument("--images", type=int, metavar="N", help="images of each part (default: 60 to 500)")
    scoring.add_argument("--rounds", type=int, metavar="N", help="most rounds after the warm-up (default: 3 or 5)")
    scoring.add_argument("--minutes", type=float, metavar="N", help="time limit for everything (default: 15)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
