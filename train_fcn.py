"""Train a segmentation network on images and masks; the result is a run folder in saved/."""

import engine.cli.interrupts  # noqa: F401  # handles Ctrl-C during the imports below

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, NoReturn

import torch
from lightning_fabric import Fabric
from torch import nn

import catalogue.weights
from engine.benchmark import Benchmark, Sample, require_equal_sizes
from engine.checkpoints import About
from engine.cli import options
from engine.cli.command import command, exit_process
from engine.cli.invocation import spelled
from engine.data.sampler import derive
from engine.devices.device import Precision, require_compiler
from engine.devices.fabric import distributed_errors, make_fabric
from engine.errors import ErrorCollector, InputError, Stopped
from engine.files.atomic import require_writable
from engine.files.lock import exclusive
from engine.findings import counted
from engine.training import history, loggers
from engine.training.config import TrainingConfig, batch_warnings
from engine.training.losses import loss_names
from engine.training.optimization import choose_trained_parts
from engine.training.run import Row, Run, find_run, named_folder
from engine.training.setup import prepare_training

RECIPES = Path(str(resources.files("recipes")))
EXAMPLES = (
    "python train_fcn.py",
    "python train_fcn.py --recipe original --root /data/cityscapes",
    "python train_fcn.py --root data/demo --backbone_weights none --crop_size 128 --epochs 20",
    "python train_fcn.py --network fcn16s_paper --initial_weights saved/voc32s/best.pth",
    "python train_fcn.py --train_split coarse_train_extra --class_uniform 0.5 --epochs 20 --name coarse",
    "torchrun --nproc_per_node 4 train_fcn.py --batch_size 4",
    "srun python train_fcn.py --batch_size 4",
)


@dataclass(frozen=True)
class TrainOptions(TrainingConfig):
    """Options of `train_fcn.py`: the data set and the network, in addition to those of the training itself."""

    root: Path = Path("data")
    """root folder of the data set"""
    benchmark: str = "cityscapes"
    """data set: cityscapes, camvid, camvid32, pascal_voc, kitti_road, kitti_lane, or the import path of your own,
    package.module"""
    train_split: str = "train"
    """split to train on"""
    val_split: str = "val"
    """split to validate on"""
    network: str = "fcn8s"
    """network to train (docs/networks.md lists them), or the import path of your own, package.module:build"""
    backbone_weights: str = "auto"
    """initial weights of the VGG backbone: imagenet, none (random), or a file with torchvision's VGG weights; auto is
    none if --initial_weights is given or the network has no VGG backbone, and imagenet otherwise"""
    initial_weights: Path | None = None
    """transfer learning: file of weights, for example best.pth of a run; they are loaded where name and shape match"""
    name: str | None = None
    """name of the run folder inside --saved; by default it is derived from the options, so the same command resumes"""
    saved: Path = Path("saved")
    """folder that contains all runs"""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """device type to train on; auto is a GPU if there is one"""
    precision: Precision = "auto"
    """mixed precision: 32-true (or fp32), bf16-mixed (bf16), 16-mixed (fp16); auto is bf16-mixed on GPUs that support
    it, 16-mixed on older GPUs, and 32-true on CPUs"""
    verbose: Literal[0, 1, 2, 3] = 0
    """model summary before training: 0 nothing, 1 the architecture, 2 also the optimizer, 3 also all parameter sizes"""

    CHANGEABLE = frozenset(
        {
            *("epochs", "precision", "compile", "accelerator", "workers", "cache", "data_on", "cuda_graph", "name"),
            *("saved", "save_minutes", "save_every", "validate_every", "metrics_every", "curves", "logger"),
            "verbose",
        }
    )
    """Names of the options that may change when a run resumes."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train, or resume an interrupted run; return the exit code."""
    chosen = options.parse(
        TrainOptions,
        argv,
        prog="train_fcn.py",
        description="Train a segmentation network. Run the same command again to resume after an interruption.",
        examples=EXAMPLES,
        recipes=RECIPES,
    )
    loggers.parse(chosen.logger)  # refuses loggers that are not installed
    loss_names(chosen.loss, class_weights=chosen.class_weights != "none", label_smoothing=chosen.label_smoothing > 0)
    if chosen.compile:
        require_compiler()
    benchmark = catalogue.benchmark(chosen.benchmark)
    training, validation = _splits(benchmark, chosen)
    longest = require_equal_sizes(benchmark, [*training, *validation])

    fabric = make_fabric(chosen.accelerator, chosen.precision)
    with distributed_errors(fabric), ExitStack() as locks:
        for warning in batch_warnings(chosen, len(training), longest, fabric.world_size):
            fabric.print(warning)
        run, network, about = _open_run(fabric, chosen, benchmark, locks)
        fabric.print(
            f"{run.folder}: {chosen.network} on {len(training)} images of {chosen.benchmark} "
            f"({len(validation)} to validate), {fabric.device}, {counted(fabric.world_size, 'process')}"
        )
        trainer = prepare_training(
            fabric, chosen, run, network, about, benchmark, training, validation, verbose=chosen.verbose
        )
        try:
            best = trainer.fit()
        except (Stopped, KeyboardInterrupt):
            fabric.print(spelled(_resume_command(fabric, sys.argv[1:] if argv is None else argv)))
            raise
    if fabric.is_global_zero:
        print(spelled(_summary(run, best, chosen, benchmark)))
    return 0


def _splits(benchmark: Benchmark, chosen: TrainOptions) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on and to validate on; errors in both splits are reported together."""
    errors = ErrorCollector()
    splits: list[list[Sample]] = []
    for flag in ("train_split", "val_split"):
        with errors.collect():
            splits.append(_labelled(benchmark, chosen, flag))
    errors.raise_if_any()
    return splits[0], splits[1]


def _labelled(benchmark: Benchmark, chosen: TrainOptions, flag: str) -> list[Sample]:
    """Samples of the split that an option names; the split must have masks."""
    split: str = getattr(chosen, flag)
    known = [name for name in benchmark.splits if name not in benchmark.hidden_splits] + [*benchmark.training_splits]
    if split not in known:
        raise InputError(f"--{flag} {split}: {benchmark.name} has masks for {', '.join(known)}; choose one of them")
    return benchmark.samples(chosen.root, split)


def _open_run(
    fabric: Fabric, chosen: TrainOptions, benchmark: Benchmark, locks: ExitStack
) -> tuple[Run, nn.Module, About]:
    """Open the run folder, and build the network with the weights that a new run starts from.

    The first process locks the folder against other commands until `locks` is closed.
    """
    torch.manual_seed(derive(chosen.seed))
    network = catalogue.network(chosen.network, len(benchmark.classes))
    choose_trained_parts(network, freeze_backbone=chosen.freeze_backbone, learn_upsampling=chosen.learn_upsampling)
    about = About.untrained(chosen.network, len(benchmark.classes), benchmark.name)
    config, defaults = options.plain(chosen), options.plain(TrainOptions())
    if chosen.name is None:
        run = find_run(chosen.saved, config, chosen.CHANGEABLE, defaults, chosen.network, chosen.benchmark)
    else:
        run = Run(named_folder(chosen.saved, chosen.name))
    if fabric.is_global_zero:
        require_writable(run.folder)
        locks.enter_context(exclusive(run.folder, "give another --name"))
    if not run.last.is_file():
        about = _load_start(fabric, network, about, chosen)
    if fabric.is_global_zero:
        run.start(config, chosen.CHANGEABLE, defaults)
    fabric.barrier()
    return run, network, about


def _load_start(fabric: Fabric, network: nn.Module, about: About, chosen: TrainOptions) -> About:
    """Load the initial weights; images are then normalised as they were for those weights."""
    if chosen.initial_weights is None or chosen.backbone_weights != "auto":
        catalogue.weights.load_backbone(network, chosen.backbone_weights)
    if chosen.freeze_backbone and chosen.initial_weights is None and chosen.backbone_weights == "none":
        fabric.print("warning: --freeze_backbone keeps the random weights of --backbone_weights none")
    if chosen.initial_weights is None:
        return about
    source, taken = catalogue.weights.transfer(network, chosen.initial_weights)
    fabric.print(taken)
    return about if source is None else dataclasses.replace(about, mean=source.mean, std=source.std)


def _resume_command(fabric: Fabric, words: Sequence[str]) -> str:
    """Command that resumes; the command that started several processes is not known here."""
    if fabric.world_size > 1:
        return "next: run the same command again to resume"
    return f"next: python {shlex.join(['train_fcn.py', *words])}"


def _summary(run: Run, best: Row | None, chosen: TrainOptions, benchmark: Benchmark) -> str:
    """Scores of the best epoch, the files written, and the next command to run."""
    weights = run.last if best is None else run.best
    words = ["test_fcn.py", "--model_weights_path", str(weights), "--root", str(chosen.root)]
    if chosen.benchmark != TrainOptions.benchmark:
        words += ["--benchmark", chosen.benchmark]
    following = f"next: python {shlex.join(words)}"
    if best is None:
        return f"no epoch trained; the initial weights are in {run.last}\n{following}"
    return (
        f"{history.by_class(best, benchmark.classes.names).render()}\n"
        f"best epoch {best['epoch']}: val mIoU {100 * best['val_miou']:.2f}, Dice {100 * best['val_mean_dice']:.2f}, "
        f"pixel accuracy {100 * best['val_pixel_accuracy']:.2f} (mean over classes "
        f"{100 * best['val_mean_pixel_accuracy']:.2f})\n"
        f"weights {run.best}{f', curves {run.curves(chosen.curves)}' if chosen.curves != 'none' else ''}\n"
        f"{following}"
    )


def run() -> NoReturn:
    """Run this command as a process, and end that."""
    exit_process(main())


if __name__ == "__main__":
    run()
