"""The command line of scoring tools."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.cli.invocation import spelled
from engine.cli.options import require_output_file, tool_parser
from engine.cli.parser import add_workers
from engine.files.atomic import write_json
from engine.scoring import Scores
from engine.tables import FORMATS, Format


def scoring_parser(module: str, description: str, examples: Sequence[str], names: str) -> argparse.ArgumentParser:
    """The argument parser of a scoring tool, which adds `--split` itself; `names` describes the prediction files."""
    parser = tool_parser(module, description, examples)
    parser.add_argument("--predictions", type=Path, required=True, metavar="DIR", help=f"PNGs of class ids: {names}")
    parser.add_argument("--root", type=Path, default=Path("data"), metavar="DIR", help="data folder (default: data)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON file for all figures")
    add_workers(parser)
    add_format(parser)
    return parser


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--format`."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="format of the table on stdout; in csv, scores are from 0 to 1 with all digits; with csv, markdown and "
        "latex, all other lines go to stderr (default: text)",
    )


def remark(form: Format, text: str) -> None:
    """Print lines that accompany a table: on stdout below a text table, otherwise on stderr."""
    print(spelled(text), file=sys.stdout if form == "text" else sys.stderr)


def report(scores: Callable[[], Scores], output: Path | None, form: Format) -> None:
    """Score, print the table, and write the figures to `output` if given, which is checked before the work.

    The last line names the next command.
    """
    if output is not None:
        require_output_file(output, "scores.json")
    result = scores()
    print(result.table().render(form))
    remark(form, result.remark())
    if output is not None:
        write_json(output, result.to_json())
        remark(form, f"\nwrote {output}")
    remark(form, following(output))


def following(output: Path | None) -> str:
    """The line that names the next command after scoring."""
    if output is None:
        return "next: add --output scores.json to keep all figures"
    return f"next: the same with other predictions and another --output, to compare with {output}"
