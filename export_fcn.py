"""Export a trained network to a file for other programs: ONNX or torch.export."""

import engine.cli.interrupts  # noqa: F401  # Ctrl-C during what follows

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import catalogue.weights
from engine.checkpoints import results_name
from engine.cli import options
from engine.cli.command import command
from engine.export import FORMATS, ImageToIds, export, format_checks, metadata
from engine.files.atomic import require_writable

EXAMPLES = (
    "python export_fcn.py --model_weights_path saved/x/best.pth",
    "python export_fcn.py --model_weights_path saved/x/best.pth --format torch --size 512x1024",
)

_RUN = {
    "onnx": 'ids = onnxruntime.InferenceSession("{path}").run(["ids"], {{"image": image}})[0]',
    "torch": 'ids = torch.export.load("{path}").module(check_guards=False)(torch.from_numpy(image))',
}
"""Python code that runs a file of each format."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of `export_fcn.py`."""

    model_weights_path: Path
    """weights: a checkpoint of train_fcn.py (saved/<run>/best.pth or best.safetensors), or a state dict of a
    built-in network"""
    format: Literal["onnx", "torch"] = "onnx"
    """file format: onnx for onnxruntime and others, torch for torch.export.load"""
    benchmark: str = "cityscapes"
    """data set, which defines the ids that the file gives"""
    size: str = "1024x2048"
    """height x width of the image that checks the file; a network that works in tiles takes only this size"""
    output: Path = Path("outputs")
    """folder for results"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Export, check, and print the input and output of the file."""
    chosen = options.parse(
        ExportOptions,
        argv,
        prog="export_fcn.py",
        description="Export a trained network to a file that takes a uint8 image and gives ids, and check the file.",
        examples=EXAMPLES,
    )
    size = options.size(chosen.size, "--size")
    benchmark = catalogue.benchmark(chosen.benchmark)
    network, about, sha256 = catalogue.weights.load_network_for(benchmark, chosen.model_weights_path)
    name = results_name(chosen.model_weights_path)
    path = chosen.output / name / f"{name}{FORMATS[chosen.format]}"
    require_writable(path.parent)
    notes = metadata(about, benchmark, sha256)
    exported = export(ImageToIds(network, about, benchmark), path, chosen.format, size, notes)
    takes = "any height and width" if exported.any_size else f"{size[0]}x{size[1]} only"
    print(f"{path}: {about.network}, {path.stat().st_size / 1e6:.1f} MB, for images of {takes}")
    print(f"  {notes['input']}\n  {notes['output']}")
    runtime = "onnxruntime" if chosen.format == "onnx" else "torch.export.load"
    print(f"  checked with {runtime}: {format_checks(exported.checks)}")
    run = _RUN[chosen.format].format(path=path)
    print(f"next, in Python: {run}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
