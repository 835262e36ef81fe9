"""Options of a training, and checks of them."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil

from engine.errors import InputError
from engine.parallel import available_cpus
from engine.ranges import WORKERS, Range, out_of_range

RANGES = {
    "epochs": Range(0, 1_000_000),
    "batch_size": Range(1, 65_536),
    "accumulate": Range(1, 65_536),
    "crop_size": Range(32, 16_384),
    "class_uniform": Range(0, 1),
    "label_smoothing": Range(0, 1, below=True),
    "momentum": Range(0, 1, below=True),
    "learning_rate": Range(0, 1000, above=True),
    "backbone_rate": Range(0, 1000),
    "weight_decay": Range(0, 1000),
    "clip_norm": Range(0, 1e9),
    "ema": Range(0, 1, below=True),
    "seed": Range(0, 2**63 - 1),
    "workers": WORKERS,
    "validate_every": Range(1, 1_000_000),
    "metrics_every": Range(1, 1_000_000_000),
    "save_minutes": Range(0, 1e9),
    "save_every": Range(0, 1_000_000),
}
"""Valid range of each numeric option, by name."""


_BYTES_OF_A_PIXEL = 3 + 1 + 3 * 4
"""Bytes of a pixel in memory: an image as uint8, its mask, and the image as float32."""


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training: optimisation, augmentation, data loading, validation and saving.

    The text below each field is also the help of the command-line option of that name.

    Raises:
        InputError: with every number that is out of its range.
    """

    epochs: int = 120
    """number of epochs: passes over all training images"""
    batch_size: int = 8
    """batch size of each device: crops per step"""
    accumulate: int = 1
    """gradient accumulation: steps whose gradients are averaged before each weight update"""
    crop_size: int = 768
    """side of the square training crops, in pixels"""
    augmentation: Literal["default", "original", "none"] = "default"
    """data augmentation; original is that of the original FCN8s repository, none only crops"""
    class_uniform: float = 0.0
    """class-uniform sampling: share of the crops, 0 to 1, that contain a pixel of a class drawn uniformly from all
    classes, so that rare classes appear more often; 0 disables it"""
    loss: str = "cross_entropy"
    """loss function: cross_entropy, cross_entropy_sum, ohem (cross-entropy with online hard example mining), focal,
    focal_over_void, dice, lovasz, or the sum of several, joined with +"""
    label_smoothing: float = 0.0
    """label smoothing of cross_entropy and cross_entropy_sum, for example 0.1; 0 disables it"""
    class_weights: Literal["none", "inverse_log", "median_frequency"] = "none"
    """class weights of cross_entropy and cross_entropy_sum, computed from class frequencies in the training masks"""
    optimizer: Literal["adamw", "adam", "sgd", "caffe_sgd"] = "adamw"
    """optimizer; sgd uses Nesterov momentum, caffe_sgd plain momentum and twice the learning rate for biases"""
    momentum: float = 0.9
    """momentum of sgd and caffe_sgd; adamw and adam ignore it"""
    learning_rate: float = 5e-4
    """peak learning rate of the schedule"""
    backbone_rate: float = 1.0
    """factor on the learning rate of the backbone; 1 trains it like the rest of the network"""
    freeze_backbone: bool = False
    """freeze the backbone: keep its weights and batch-norm statistics, and train the rest of the network"""
    weight_decay: float = 1e-2
    """weight decay, except of biases and batch norms; decoupled in adamw, and an L2 term of the loss otherwise"""
    learn_upsampling: bool = False
    """also train the last upsampling of the paper's networks, which is fixed to bilinear by default; other networks
    always train theirs"""
    clip_norm: float = 0.0
    """gradient-norm clipping: largest allowed norm of the gradient of all weights together; 0 disables it"""
    ema: float = 0.0
    """exponential moving average (EMA) of the weights: decay per update, for example 0.999; the average is
    evaluated and kept; 0 disables it"""
    schedule: Literal["poly", "step", "cosine", "one_cycle", "constant"] = "poly"
    """learning-rate schedule over the whole training"""
    seed: int = 0
    """random seed of initial weights, sampling, augmentation and dropout"""
    compile: bool = False
    """compile the network with torch.compile, which needs a C++ compiler and takes minutes at the start;
    docs/training.md says where it helps"""
    cuda_graph: bool = True
    """CUDA graphs: replay each step as one graph; used on one GPU, in bf16 or float32, without --accumulate"""
    workers: int = min(4, available_cpus())
    """data-loading processes of each training process; by default 4, or the number of CPU cores if that is smaller"""
    cache: Path | None = None
    """folder for a cache of decoded images, which makes loading several times as fast; it takes 8 MB per image of
    2048 x 1024"""
    data_on: Literal["auto", "device", "workers"] = "auto"
    """where training images are kept: device keeps all of them decoded on the GPU (8 MB per image of 2048 x 1024) and
    augments them there; workers decode and augment them in every epoch; auto is device if they take at most 40 % of
    the memory of the GPU, and workers otherwise"""
    validate_every: int = 1
    """validation interval in epochs; the last epoch is always validated"""
    metrics_every: int = 1
    """training-metrics interval in steps: only every n-th step is counted, which saves time on a GPU"""
    save_minutes: float = 10.0
    """minutes between two saves of the training state, tables and curves; they are also saved at the end"""
    save_every: int = 0
    """also keep the weights of every n-th epoch, as epoch_NNN.pth; 0 disables it"""
    curves: Annotated[Literal["png", "svg", "pdf", "none"], {"true": "png", "false": "none"}] = "png"
    """file format of the training curves, which are drawn whenever the state is saved; none disables them"""
    logger: str = "tensorboard"
    """experiment loggers that receive the history, in addition to its files: tensorboard, wandb, mlflow, trackio,
    several joined with +, or none"""

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        messages = out_of_range(vars(self), RANGES)
        if messages:
            raise InputError(*messages)


def batch_warnings(config: TrainingConfig, images: int, longest: int, processes: int) -> list[str]:
    """Warnings about batches or crops that are large compared with the data set.

    Args:
        config: options of the training.
        images: number of training images.
        longest: longest side of all images, in pixels.
        processes: number of training processes.

    Raises:
        InputError: if the crops of one step do not fit into memory.
    """
    size, crop = config.batch_size, config.crop_size
    needed, there = size * crop**2 * _BYTES_OF_A_PIXEL, psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"--batch_size {size} --crop_size {crop}: the crops of one step take {needed / 1e9:.0f} GB, but there are "
            f"{there / 1e9:.0f} GB of memory; give smaller ones"
        )
    warnings = []
    if size * processes > 2 * images:
        warnings.append(
            f"warning: each step takes {size * processes} crops of {images} images, so an epoch is one step that "
            "contains each image several times; give a smaller --batch_size"
        )
    if crop > 2 * longest:
        warnings.append(
            f"warning: --crop_size {crop} is more than twice the longest side of all images, {longest}, so most of "
            "each crop is void; give a smaller --crop_size"
        )
    return warnings


def differences(
    config: Mapping[str, Any], before: Mapping[str, Any], changeable: Collection[str], defaults: Mapping[str, Any]
) -> list[str]:
    """Options that differ from those of an earlier start, each written `name old -> new`.

    Args:
        config: options now, by name.
        before: options of the earlier start, perhaps written by an earlier version of this program.
        changeable: names of options that may differ.
        defaults: values of the options that are missing in `before`.
    """
    completed = {**defaults, **before}
    return [
        f"{name} {completed.get(name)} -> {value}"
        for name, value in config.items()
        if name not in changeable and value != completed.get(name)
    ]


def default_name(config: dict[str, Any], changeable: Collection[str], *readable: str) -> str:
    """Folder name that ends with a hash of the options, except the changeable ones: the same options, the same name."""
    fixed = json.dumps({name: value for name, value in config.items() if name not in changeable}, sort_keys=True)
    return "-".join([*readable, hashlib.sha256(fixed.encode()).hexdigest()[:8]])
