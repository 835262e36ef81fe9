"""Training on CamVid: the original recipe against the default one, an ablation of the default one, and seeds.

Finished trainings and scores are kept, so the same command resumes after an interruption.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench import REPOSITORY
from camvid.layout import SPLITS, segnet_samples
from engine import environment
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.errors import InputError
from engine.files.atomic import replacing, write_json
from engine.parallel import available_cpus

PUBLISHED = {"FCN-8s, ImageNet weights": 57.0, "FC-DenseNet103, random weights": 66.9}
"""Published mean IoU on the test split, in %."""
RECIPES, ABLATION, SCRATCH, SCRATCH_UNET = "recipes", "ablation", "scratch", "scratch_unet"
EPOCHS = {RECIPES: 100, ABLATION: 100, SCRATCH: 800, SCRATCH_UNET: 800}
"""Epochs of each training, by part, unless --epochs is given."""


@dataclass(frozen=True)
class Trial:
    """One training: its part, its label, the flags that only it has, and its seed."""

    part: str
    label: str
    flags: tuple[str, ...]
    seed: int = 0

    @property
    def name(self) -> str:
        """Unique name of the trial, the beginning of its folder's name."""
        return f"{self.part}-{self.label}-{self.seed}"


ABLATIONS = {
    "class-uniform": "--class_uniform=0.5",
    "class-weights": "--class_weights=inverse_log",
    "lovasz": "--loss=cross_entropy+lovasz",
    "ohem": "--loss=ohem",
    "sgd": "--optimizer=sgd --learning_rate=0.01",
    "ema": "--ema=0.99",
    "crops-only": "--augmentation=none",
}
"""Label -> flags of an ablation; each changes one option of the default recipe."""
_FCN8S = ("--network=fcn8s", "--backbone_weights=none")
TRIALS = (
    Trial(RECIPES, "original", ("--recipe=original", *_FCN8S)),
    Trial(RECIPES, "default", _FCN8S),
    *(Trial(ABLATION, label, (*_FCN8S, *ablation.split())) for label, ablation in ABLATIONS.items()),
    *(Trial(SCRATCH, "fcn8s", ("--recipe=fcn8s_camvid_scratch",), seed) for seed in range(3)),
    *(Trial(SCRATCH_UNET, "unet", ("--recipe=unet_camvid_scratch",), seed) for seed in range(3)),
)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train, score on the test split, draw curves and write the record."""
    options = _parser().parse_args(argv)
    left_out = set(ABLATIONS) - set(options.ablations)
    trials = [trial for trial in TRIALS if trial.part in options.parts and trial.label not in left_out]
    results = [_result(trial, options) for trial in trials]
    record = {
        "bench": "camvid",
        "what": "CamVid, 11 classes, 480x360: weights best on val, scored on test; mean IoU in %",
        "published": PUBLISHED,
        "images": {split: len(segnet_samples(options.root, split)) for split in SPLITS},
        "crop_size": options.crop_size,
        "runs": results,
        "test_miou": _summary(results),
        "environment": environment.describe(),
    }
    print(table(record))
    write_json(options.output / "camvid.json", record)
    if curves := {run["label"]: run["val_miou"] for run in results if run["part"] == RECIPES}:
        draw(curves, options.output / "camvid_recipes.png", f"FCN-8s on CamVid, crops of {options.crop_size}")
    return 0


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    sizes = ", ".join(f"{number} {split}" for split, number in record["images"].items())
    lines = [f"CamVid, mean IoU in %; crops of {record['crop_size']}; {sizes} images"]
    lines += [
        f"  {run['part']:<13} {run['label']:<15} seed {run['seed']}  {run['epochs']:>4} epochs  "
        f"val {run['best_val_miou']:5.2f}  test {run['test_miou']:5.2f}  {run['minutes']:6.1f} min"
        for run in record["runs"]
    ]
    for label, figures in record["test_miou"].items():
        spread = "" if figures["deviation"] is None else f" +- {figures['deviation']:.2f}"
        lines.append(f"  {label}: {figures['mean']:.2f}{spread} ({figures['runs']} runs)")
    return "\n".join(lines)


def draw(curves: dict[str, list[float]], path: Path, title: str) -> None:
    """Draw the mean IoU on val, in %, over epochs, as one line for each recipe."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for label, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker=".", label=f"{label} recipe")
    axes.set(xlabel="epoch", ylabel="mean IoU on val (%)", title=title, ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=110)


def _result(trial: Trial, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score a trial unless its files exist already; return its results."""
    epochs = options.epochs or EPOCHS[trial.part]
    name = f"{trial.name}-{epochs}x{options.crop_size}"
    run, output = options.saved / name, options.results / name / "test" / "scores.json"
    data = ["--benchmark=camvid", f"--root={options.root}", f"--accelerator={options.accelerator}"]
    if len(_history(run)) < epochs:
        _run("train_fcn.py", *trial.flags, *data, *_training_flags(options, trial, epochs), f"--name={name}")
    if not output.is_file():
        weights = f"--model_weights_path={run / 'best.pth'}"
        _run("test_fcn.py", weights, *data, "--split=test", f"--output={options.results}", "--profile_images=0")
    history, scores = _history(run), json.loads(output.read_text())
    curve = [round(100 * row["val_miou"], 2) for row in history]
    return {
        "part": trial.part,
        "label": trial.label,
        "seed": trial.seed,
        "epochs": len(history),
        "flags": list(trial.flags),
        "best_val_miou": max(curve),
        "test_miou": round(100 * scores["miou"], 2),
        "minutes": round(sum(row["seconds"] for row in history) / 60, 1),
        "val_miou": curve,
        "train_loss": [round(row["train_loss"], 4) for row in history],
    }


def _training_flags(options: argparse.Namespace, trial: Trial, epochs: int) -> list[str]:
    """Flags common to all trainings; --precision auto on a CPU, because the original recipe uses float16."""
    flags = [
        f"--epochs={epochs}",
        f"--crop_size={options.crop_size}",
        f"--seed={trial.seed}",
        f"--workers={options.workers}",
        f"--saved={options.saved}",
        "--curves=none",
    ]
    if options.cache is not None:
        flags.append(f"--cache={options.cache}")
    return [*flags, "--precision=auto"] if options.accelerator == "cpu" else flags


def _run(script: str, *flags: str) -> None:
    """Run a command of this project.

    Raises:
        InputError: if it fails.
    """
    print(f"--- {script} {' '.join(flags)}", flush=True)
    if code := subprocess.run([sys.executable, REPOSITORY / script, *flags], check=False).returncode:
        raise InputError(f"{script} ended with code {code}; fix what it reports and run this command again to resume")


def _history(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's history, one for each epoch; empty if the run does not exist."""
    path = run / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _summary(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and sample standard deviation of the test mIoU over seeds, for each part and label."""
    scores: dict[str, list[float]] = {}
    for run in results:
        scores.setdefault(f"{run['part']} {run['label']}", []).append(run["test_miou"])
    return {
        label: {
            "runs": len(values),
            "mean": round(statistics.mean(values), 2),
            "deviation": round(statistics.stdev(values), 2) if len(values) > 1 else None,
        }
        for label, values in scores.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "bench.camvid",
        "Train on CamVid with several recipes and score on its test split; run it again to resume.",
        [
            "python -m bench.camvid --root data",
            "python -m bench.camvid --root data --parts recipes --epochs 6 --crop_size 128 --accelerator cpu",
        ],
    )
    outputs, saved = REPOSITORY / "outputs" / "camvid", REPOSITORY / "saved" / "camvid"
    parser.add_argument(
        "--root", type=Path, default=REPOSITORY / "data", help="data folder with CamVid (default: data)"
    )
    parser.add_argument("--parts", nargs="+", choices=EPOCHS, default=list(EPOCHS), help="parts to run (default: all)")
    parser.add_argument(
        "--ablations",
        nargs="+",
        choices=ABLATIONS,
        default=list(ABLATIONS),
        help="trainings of the part ablation (default: all)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=0,
        help="epochs of every training (default: 100; 800 for scratch and scratch_unet)",
    )
    parser.add_argument("--crop_size", type=int, default=352, help="side of the crops in pixels (default: 352)")
    parser.add_argument(
        "--accelerator", choices=("auto", "cpu", "gpu"), default="auto", help="device for training (default: auto)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(4, available_cpus()),
        help="processes that load images (default: the CPU cores, at most 4)",
    )
    parser.add_argument("--cache", type=Path, help="cache folder for decoded images, see train_fcn.py")
    parser.add_argument("--saved", type=Path, default=saved, help="folder of the runs (default: saved/camvid)")
    parser.add_argument(
        "--results", type=Path, default=outputs, help="folder of predictions and scores (default: outputs/camvid)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "docs" / "results",
        help="output folder for camvid.json and curves (default: docs/results)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
