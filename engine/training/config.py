"""How to train."""

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
"""Setting -> the numbers that make sense."""


_BYTES_OF_A_PIXEL = 3 + 1 + 3 * 4
"""Of an image as uint8, its mask, and the image as float32."""


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a training: what its weights depend on, how images are loaded, and how often it is saved.

    The text below each field is also the help of the option of that name.

    Raises:
        InputError: with every number that makes no sense.
    """

    epochs: int = 120
    """how often to see every image"""
    batch_size: int = 8
    """images a step, on each device"""
    accumulate: int = 1
    """steps whose gradients are added up before the weights change"""
    crop_size: int = 768
    """side of the square crops to train on, in pixels"""
    augmentation: Literal["default", "original", "none"] = "default"
    """how to vary the images; none only crops them"""
    class_uniform: float = 0.0
    """share of the crops, 0 to 1, that lie over a pixel of a class drawn from all alike, for the sake of rare ones"""
    loss: str = "cross_entropy"
    """loss function: cross_entropy, cross_entropy_sum, ohem (cross-entropy with online hard example mining), focal,
    focal_over_void, dice, lovasz, or the sum of several, joined with +"""
    label_smoothing: float = 0.0
    """label smoothing of cross_entropy and cross_entropy_sum, for example 0.1; 0 disables it"""
    class_weights: Literal["none", "inverse_log", "median_frequency"] = "none"
    """what pixels of each class weigh in a cross-entropy, by how frequent they are"""
    optimizer: Literal["adamw", "adam", "sgd", "caffe_sgd"] = "adamw"
    """how to minimise it; sgd is Nesterov's, caffe_sgd has plain momentum and twice the rate for biases"""
    momentum: float = 0.9
    """momentum of sgd and caffe_sgd"""
    learning_rate: float = 5e-4
    """the highest learning rate that the schedule reaches"""
    backbone_rate: float = 1.0
    """factor on the learning rate of the backbone"""
    freeze_backbone: bool = False
    """train the rest of the network only: weights and batch statistics of the backbone stay exactly as they begin"""
    weight_decay: float = 1e-2
    """on weights, not on biases and batch norms; an L2 term of the loss, but for adamw, which keeps it apart"""
    learn_upsampling: bool = False
    """learn the last upsampling of the paper's networks too, which else stays bilinear; that of others always learns"""
    clip_norm: float = 0.0
    """gradient-norm clipping: the longest gradient of all weights together; 0 disables it"""
    ema: float = 0.0
    """decay of the moving average (EMA) of weights that is evaluated and kept, for example 0.999; 0 for none"""
    schedule: Literal["poly", "step", "cosine", "one_cycle", "constant"] = "poly"
    """how the learning rate falls"""
    seed: int = 0
    """seed of all that is random"""
    compile: bool = False
    """compile the network by torch.compile, which needs a C++ compiler and takes minutes; where it pays is in
    docs/training.md"""
    cuda_graph: bool = True
    """replay each step as one CUDA graph, on one GPU in bf16 or float32 without --accumulate"""
    workers: int = min(4, available_cpus())
    """processes that load images, beside each training process; 4, but no more than there are cores, if not given"""
    cache: Path | None = None
    """folder for decoded images, filled once: 8 MB an image of 2048 x 1024, and several times the speed"""
    data_on: Literal["auto", "device", "workers"] = "auto"
    """where training images wait: device keeps all of them decoded on the GPU, 8 MB an image of 2048 x 1024, and
    augments them there; workers decode and augment them anew in each epoch; auto is device on a GPU with the room"""
    validate_every: int = 1
    """epochs from one validation to the next; the last epoch is always validated"""
    metrics_every: int = 1
    """count the pixels of every n-th step only for the training metrics, which takes a GPU less time"""
    save_minutes: float = 10.0
    """how often to save the state and what is made from the history; both are also saved at the end"""
    save_every: int = 0
    """also keep the weights of every n-th epoch, as epoch_NNN.pth; 0 for none"""
    curves: Annotated[Literal["png", "svg", "pdf", "none"], {"true": "png", "false": "none"}] = "png"
    """draw the history whenever the state is saved, as a file of this kind; svg and pdf are for papers"""
    logger: str = "tensorboard"
    """loggers of the history, in addition to its files: tensorboard, wandb, mlflow, trackio, several joined with +, or
    none"""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        faults = out_of_range(vars(self), RANGES)
        if faults:
            raise InputError(*faults)


def batch_warnings(config: TrainingConfig, images: int, longest: int, processes: int) -> list[str]:
    """What is odd about the size of batches, for people.

    Args:
        config: how to train.
        images: to train on.
        longest: side of all of them, in pixels.
        processes: that train together.

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
            f"warning: each step takes {size * processes} crops of {images} images, so an epoch is one step in which "
            "images come several times; give a smaller --batch_size"
        )
    if crop > 2 * longest:
        warnings.append(
            f"warning: --crop_size {crop} is more than twice the longest side of all images, {longest}, so most of "
            "each crop is void; give a smaller one"
        )
    return warnings


def differences(
    config: Mapping[str, Any], before: Mapping[str, Any], changeable: Collection[str], defaults: Mapping[str, Any]
) -> list[str]:
    """The settings that are not as they were before, as `name old -> new`.

    Args:
        config: the settings now.
        before: those of an earlier start, maybe of an earlier version of this program.
        changeable: names that may change.
        defaults: values of names that are missing in `before`.
    """
    completed = {**defaults, **before}
    return [
        f"{name} {completed.get(name)} -> {value}"
        for name, value in config.items()
        if name not in changeable and value != completed.get(name)
    ]


def default_name(config: dict[str, Any], changeable: Collection[str], *readable: str) -> str:
    """A folder name that is the same for the same settings and differs for others."""
    fixed = json.dumps({name: value for name, value in config.items() if name not in changeable}, sort_keys=True)
    return "-".join([*readable, hashlib.sha256(fixed.encode()).hexdigest()[:8]])
