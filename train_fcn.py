"""Train a segmentation network: masks in generated_gt/ -> a run in saved/."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

import catalogue.weights
from engine.benchmark import Benchmark, Sample, require_equal_sizes
from engine.checkpoints import About
from engine.cli import options
from engine.cli.command import command, leave
from engine.data import class_index
from engine.data.cache import Cache
from engine.data.class_index import CLASS_WEIGHTS, ClassIndex
from engine.data.dataset import FileReader, Reader
from engine.data.sampler import derive
from engine.devices.device import Precision, require_compiler
from engine.devices.fabric import make_fabric, together
from engine.errors import InputError
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD, Normalize
from engine.parallel import available_cpus
from engine.training import history, sources
from engine.training.config import Recipe
from engine.training.learner import Learner
from engine.training.run import Row, Run, default_name, describe
from engine.training.sources import DataOn
from engine.training.trainer import Training

RECIPES = Path(__file__).parent / "recipes"
EXAMPLES = (
    "python train_fcn.py",
    "python train_fcn.py --recipe ancestor --root /data/cityscapes",
    "python train_fcn.py --root data/demo --backbone_weights none --crop_size 128 --epochs 20",
    "python train_fcn.py --network fcn16s_paper --initial_weights saved/voc32s/best.pth",
    "python train_fcn.py --train_split coarse_train_extra --class_uniform 0.5 --epochs 20 --name coarse",
    "torchrun --nproc_per_node 4 train_fcn.py --batch_size 4",
    "srun python train_fcn.py --batch_size 4",
)
LOWEST = {
    "epochs": 0,
    "batch_size": 1,
    "accumulate": 1,
    "crop_size": 32,
    "workers": 0,
    "seed": 0,
    "save_every": 0,
    "validate_every": 1,
    "metrics_every": 1,
    "momentum": 0,
    "ema": 0,
    "class_uniform": 0,
    "clip_norm": 0,
}


@dataclass(frozen=True)
class TrainOptions:
    """What to train, on what, and how."""

    root: Path = Path("data")
    """folder of the data set"""
    benchmark: str = "cityscapes"
    """which data set it is, or the import path of your own: package.module"""
    train_split: str = "train"
    """which of its splits to train on"""
    val_split: str = "val"
    """which of its splits to validate on"""
    network: str = "fcn8s"
    """which network to train (docs/networks.md lists them), or your own: package.module:build"""
    backbone_weights: str = "auto"
    """where a VGG backbone starts: imagenet, none (random), or a file with torchvision's VGG weights; auto is
    imagenet, and none for networks without a VGG and where there are --initial_weights"""
    initial_weights: Path | None = None
    """start from the weights of another run or network, as far as they fit by name and shape"""
    epochs: int = 120
    """how often to see every image"""
    batch_size: int = 8
    """images a step, on each device"""
    accumulate: int = 1
    """steps whose gradients are added up before the weights change"""
    crop_size: int = 768
    """side of the square crops to train on, in pixels"""
    augmentation: Literal["default", "ancestor", "none"] = "default"
    """how to vary the images; none only crops them"""
    class_uniform: float = 0.0
    """share of the crops, 0 to 1, that lie over a pixel of a class drawn from all alike, for the sake of rare ones"""
    loss: str = "cross_entropy"
    """what to minimise: cross_entropy, cross_entropy_sum, smooth_cross_entropy, hard_pixels, focal, focal_over_void,
    dice, lovasz, or several joined by +"""
    class_weights: Literal["none", "inverse_log", "median_frequency"] = "none"
    """what pixels of each class weigh in a cross-entropy, by how frequent they are"""
    optimizer: Literal["adamw", "adam", "sgd", "caffe_sgd"] = "adamw"
    """how to minimise it; sgd is Nesterov's, caffe_sgd has plain momentum and twice the rate for biases"""
    momentum: float = 0.9
    """of sgd and caffe_sgd"""
    learning_rate: float = 5e-4
    """the highest that the schedule reaches"""
    backbone_rate: float = 1.0
    """factor on the learning rate of the backbone"""
    weight_decay: float = 1e-2
    """on weights, not on biases and batch norms; an L2 term of the loss, but for adamw, which keeps it apart"""
    clip_norm: float = 0.0
    """gradient-norm clipping: the longest gradient of all weights together; 0 disables it"""
    ema: float = 0.0
    """decay of the average of weights that is evaluated and kept, as 0.999; 0 for none"""
    schedule: Literal["poly", "step", "cosine", "one_cycle", "constant"] = "poly"
    """how the learning rate falls"""
    precision: Precision = "auto"
    """arithmetic: 32-true (or fp32), bf16-mixed (bf16), 16-mixed (fp16); auto is bf16-mixed on GPUs that have it,
    16-mixed on older ones, and 32-true on CPUs"""
    compile: bool = False
    """compile the network by torch.compile, which needs a C++ compiler and takes minutes; where it pays is in
    docs/training.md"""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """where to train"""
    workers: int = min(4, available_cpus())
    """processes that load images, beside each training process; 4, but no more than there are cores, if not given"""
    cache: Path | None = None
    """folder for decoded images, filled once: 8 MB an image of 2048 x 1024, and several times the speed"""
    data_on: DataOn = "auto"
    """where training images wait: device keeps all of them decoded on the GPU, 8 MB an image of 2048 x 1024, and
    augments them there; workers decode and augment them anew in each epoch; auto is device on a GPU with the room"""
    validate_every: int = 1
    """epochs from one validation to the next; the last epoch is always validated"""
    metrics_every: int = 1
    """count the pixels of every n-th step only for the training metrics, which takes a GPU less time"""
    cuda_graph: bool = True
    """replay each step as one CUDA graph, on one GPU in bf16 or float32 without --accumulate"""
    save_minutes: float = 10.0
    """how often to save the state and what is made from the history; both are also saved at the end"""
    seed: int = 0
    """of all that is random"""
    name: str | None = None
    """folder of the run under saved/; by default it follows from the settings, so the same command goes on"""
    saved: Path = Path("saved")
    """folder of all runs"""
    save_every: int = 0
    """also keep the weights of every n-th epoch, as epoch_NNN.pth; 0 for none"""
    curves: bool = True
    """draw the history whenever the state is saved"""
    verbose: Literal[0, 1, 2, 3] = 0
    """what to print before training: nothing, the architecture, the optimizer too, the size of every parameter too"""

    FREE = frozenset(
        {
            *("epochs", "precision", "compile", "accelerator", "workers", "cache", "data_on", "cuda_graph", "name"),
            *("saved", "save_minutes", "save_every", "validate_every", "metrics_every", "curves", "verbose"),
        }
    )
    """Options that may change when a run goes on."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        faults = options.too_low(self, LOWEST)
        if self.momentum >= 1:
            faults.append(f"--momentum {self.momentum}: expected less than 1")
        if self.class_uniform > 1:
            faults.append(f"--class_uniform {self.class_uniform}: expected at most 1")
        if self.learning_rate <= 0:
            faults.append(f"--learning_rate {self.learning_rate}: expected more than 0")
        if faults:
            raise InputError(*faults)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train, or go on with a run that was interrupted."""
    chosen = options.parse(
        TrainOptions,
        argv,
        prog="train_fcn.py",
        description="Train a segmentation network. Run the same command again to go on after an interruption.",
        examples=EXAMPLES,
        recipes=RECIPES,
    )
    if chosen.compile:
        require_compiler()
    benchmark = catalogue.benchmark(chosen.benchmark)
    training, validation = (_labelled(benchmark, chosen, flag) for flag in ("train_split", "val_split"))
    require_equal_sizes(benchmark, [*training, *validation])

    fabric = make_fabric(chosen.accelerator, chosen.precision)
    with together(fabric):
        _train(fabric, chosen, benchmark, training, validation)
    return 0


def _train(
    fabric: Fabric,
    chosen: TrainOptions,
    benchmark: Benchmark,
    training: Sequence[Sample],
    validation: Sequence[Sample],
) -> None:
    """One process's part of the training, and the report at its end."""
    config = options.plain(chosen)
    name = chosen.name or default_name(config, chosen.FREE, chosen.network, chosen.benchmark)
    run = Run(chosen.saved / name)
    torch.manual_seed(derive(chosen.seed))
    network = catalogue.network(chosen.network, len(benchmark.classes))
    about = About(chosen.network, len(benchmark.classes), benchmark.name, IMAGENET_MEAN, IMAGENET_STD, 0, None)
    if not run.last.is_file():
        about = _start(network, about, chosen, fabric)
    if fabric.is_global_zero:
        run.start(config, chosen.FREE)
    fabric.barrier()

    fields = {field.name for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in config.items() if name in fields})
    fabric.print(
        f"{run.folder}: {chosen.network} on {len(training)} images of {chosen.benchmark} "
        f"({len(validation)} to validate), {fabric.device}, {fabric.world_size} process(es)"
    )
    reader: Reader = FileReader(benchmark.read_mask)
    if chosen.cache is not None:
        reader = _cached(fabric, chosen.cache, reader, training, chosen.workers)
    index = _class_index(fabric, run, benchmark, training, chosen)
    weights = _class_weights(index, chosen.class_weights)
    if chosen.compile:
        network.compile()  # in place, so weights keep their names
    learner = Learner(fabric, network, Normalize(about.mean, about.std), recipe, benchmark.classes.void, weights)
    if chosen.verbose:
        fabric.print(describe(network, learner.optimizer, chosen.verbose))
    data, evaluator = sources.build(
        fabric, recipe, benchmark, training, validation, reader, index, data_on=chosen.data_on
    )
    best = Training(fabric, run, learner, about, benchmark, recipe, data, evaluator).fit()
    if fabric.is_global_zero:
        print(_summary(run, best, chosen, benchmark))


def _labelled(benchmark: Benchmark, chosen: TrainOptions, flag: str) -> list[Sample]:
    """The samples of the split that a flag names, which must have masks."""
    split: str = getattr(chosen, flag)
    known = [name for name in benchmark.splits if name not in benchmark.hidden_splits] + [*benchmark.training_splits]
    if split not in known:
        raise InputError(f"--{flag} {split}: {benchmark.name} has masks for {', '.join(known)}; choose one of these")
    return benchmark.samples(chosen.root, split)


def _start(network: nn.Module, about: About, chosen: TrainOptions, fabric: Fabric) -> About:
    """Load what the network starts from; its images are then normalised as they were for those weights."""
    if chosen.initial_weights is None or chosen.backbone_weights != "auto":
        catalogue.weights.load_backbone(network, chosen.backbone_weights)
    if chosen.initial_weights is None:
        return about
    source, taken = catalogue.weights.transfer(network, chosen.initial_weights)
    fabric.print(taken)
    return about if source is None else dataclasses.replace(about, mean=source.mean, std=source.std)


def _cached(fabric: Fabric, folder: Path, reader: Reader, samples: Sequence[Sample], workers: int) -> Cache:
    """A cache of the samples, filled by the first process."""
    cache = Cache(folder, reader)
    if fabric.is_global_zero:
        print(f"{folder}: cache of {len(samples)} decoded images, {cache.size(samples) / 1e9:.1f} GB")
        cache.fill(samples, max(1, workers))
    fabric.barrier()
    return cache


def _class_index(
    fabric: Fabric, run: Run, benchmark: Benchmark, samples: Sequence[Sample], chosen: TrainOptions
) -> ClassIndex | None:
    """Where the classes lie in the training masks, if that is needed; the first process looks for all."""
    if not chosen.class_uniform and chosen.class_weights == "none":
        return None
    build = partial(class_index.build, samples, benchmark.read_mask, len(benchmark.classes), run.class_index)
    if fabric.is_global_zero:
        build(workers=max(1, chosen.workers))
    fabric.barrier()
    return build(workers=1)


def _class_weights(index: ClassIndex | None, name: str) -> torch.Tensor | None:
    """What pixels of each class weigh in the loss, (C,), None for all alike."""
    if index is None or name == "none":
        return None
    return CLASS_WEIGHTS[name](torch.from_numpy(index.pixels).double()).float()


def _summary(run: Run, best: Row | None, chosen: TrainOptions, benchmark: Benchmark) -> str:
    """What came out, and what to type next."""
    if best is None:
        return f"no epoch trained; the initial weights are in {run.last}"
    flag = "" if chosen.benchmark == TrainOptions.benchmark else f" --benchmark {chosen.benchmark}"
    return (
        f"{history.by_class(best, benchmark.classes.names)}\n"
        f"best epoch {best['epoch']}: val mIoU {100 * best['val_miou']:.2f}, Dice {100 * best['val_mean_dice']:.2f}, "
        f"pixel accuracy {100 * best['val_pixel_accuracy']:.2f} (mean over classes "
        f"{100 * best['val_mean_pixel_accuracy']:.2f})\n"
        f"weights {run.best}{f', curves {run.curves}' if chosen.curves else ''}\n"
        f"next: python test_fcn.py --model_weights_path {run.best} --root {chosen.root}{flag}"
    )


if __name__ == "__main__":
    leave(main())
