"""Setup of a training: data, learner, evaluator and trainer."""

from collections.abc import Sequence
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import nn

from engine.benchmark import Benchmark, Sample
from engine.checkpoints import About
from engine.data import class_index
from engine.data.cache import Cache
from engine.data.class_index import CLASS_WEIGHTS, ClassIndex
from engine.data.dataset import FileReader, Reader
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.mask_check import require_classes
from engine.data.resident import ResidentData, bytes_needed, fits_on_device
from engine.data.sampler import EpochSampler
from engine.normalization import Normalize
from engine.training.batches import BatchSource, FileBatches, ResidentBatches
from engine.training.config import TrainingConfig
from engine.training.evaluation import Evaluator, shard
from engine.training.learner import Learner
from engine.training.run import Run
from engine.training.trainer import Trainer


def prepare_training(
    fabric: Fabric,
    config: TrainingConfig,
    run: Run,
    network: nn.Module,
    about: About,
    benchmark: Benchmark,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    *,
    verbose: int = 0,
) -> Trainer:
    """Build the trainer of a run, ready to `fit`; every process of the job calls this.

    Args:
        fabric: processes of the job.
        config: options of the training.
        run: run folder, which was started.
        network: (N, 3, H, W) float -> (N, C, H, W) logits, with its initial weights.
        about: metadata of these weights.
        benchmark: benchmark of the samples.
        training: samples to train on.
        validation: samples to validate on.
        verbose: level of detail of the printed `model_summary`, 1 to 3; 0 prints nothing.

    Raises:
        InputError: for files that cannot be read, and options that contradict each other.
    """
    if fabric.is_global_zero:
        require_classes(benchmark, training, validation, workers=config.workers)
    fabric.barrier()
    reader = _reader(fabric, config, benchmark, training)
    index = _class_index(fabric, config, run, benchmark, training)
    weights = _class_weights(index, config.class_weights)
    if config.compile:
        network.compile()  # in place, so the names of weights stay the same
    normalize = Normalize(about.mean, about.std)
    learner = Learner(fabric, network, normalize, config, benchmark.classes.void, weights)
    if verbose:
        fabric.print(model_summary(network, learner.optimizer, verbose))
    data, evaluator = _data(fabric, config, benchmark, training, validation, reader, index)
    return Trainer(fabric, run, learner, about, benchmark, config, data, evaluator, validation)


def _reader(fabric: Fabric, config: TrainingConfig, benchmark: Benchmark, samples: Sequence[Sample]) -> Reader:
    """Reader of training samples: from their files, or from a cache that the first process fills."""
    files = FileReader(benchmark.train_ids)
    if config.cache is None:
        return files
    cache = Cache(config.cache, files)
    if fabric.is_global_zero:
        print(f"{config.cache}: cache of {len(samples)} decoded images, {cache.size(samples) / 1e9:.1f} GB")
        cache.fill(samples, max(1, config.workers))
    fabric.barrier()
    return cache


def _class_index(
    fabric: Fabric, config: TrainingConfig, run: Run, benchmark: Benchmark, samples: Sequence[Sample]
) -> ClassIndex | None:
    """Class index of the training masks, None if it is not needed; the first process builds it for all."""
    if not config.class_uniform and config.class_weights == "none":
        return None
    build = partial(class_index.build, samples, benchmark.train_ids, len(benchmark.classes), run.class_index)
    if fabric.is_global_zero:
        build(workers=max(1, config.workers))
    fabric.barrier()
    return build(workers=1)


def _class_weights(index: ClassIndex | None, name: str) -> torch.Tensor | None:
    """Class weights (C,) of the loss, None for equal weights."""
    if index is None or name == "none":
        return None
    return CLASS_WEIGHTS[name](torch.from_numpy(index.pixel_counts).double()).float()


def _data(
    fabric: Fabric,
    config: TrainingConfig,
    benchmark: Benchmark,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    reader: Reader,
    index: ClassIndex | None,
) -> tuple[BatchSource, Evaluator]:
    """Build the batch source and the evaluator, from files or from samples that are resident on the device."""
    void, device, workers = benchmark.classes.void, fabric.device, config.workers
    sampler = EpochSampler(
        len(training),
        config.batch_size,
        config.seed,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        index=index,
        class_uniform=config.class_uniform,
    )
    every = [*training, *validation]
    if config.data_on == "workers" or (config.data_on == "auto" and not fits_on_device(every, device)):
        files = FileBatches(
            training,
            reader,
            sampler,
            config.augmentation,
            crop_size=config.crop_size,
            void=void,
            workers=workers,
            pinned=device.type == "cuda",
        )
        return files, Evaluator(fabric, benchmark, validation, workers=workers)
    fabric.print(f"{len(every)} images are loaded to {device}, up to {bytes_needed(every) / 1e9:.1f} GB")
    load = partial(ResidentData.fill, device=device, void=void, workers=max(1, workers))
    data = load(training, reader, title="load training images")
    validated = load(shard(validation, fabric), FileReader(benchmark.train_ids), title="load validation images")
    augmentation = DeviceAugmentation(config.augmentation, config.crop_size, void)
    batches = ResidentBatches(training, data, sampler, augmentation, workers=workers)
    return batches, Evaluator(fabric, benchmark, validation, workers=0, source=validated.items)


def model_summary(network: nn.Module, optimizer: torch.optim.Optimizer, detail: int) -> str:
    """Model summary: the architecture (detail 1), also the optimiser (2), also the size of every parameter (3)."""
    parts = [str(network), _settings(optimizer), _sizes(network)]
    return "\n\n".join(parts[:detail])


def _settings(optimizer: torch.optim.Optimizer) -> str:
    lines = [type(optimizer).__name__]
    for group in optimizer.param_groups:
        settings = ", ".join(f"{name} {value}" for name, value in group.items() if name != "params")
        lines.append(f"  {sum(parameter.numel() for parameter in group['params']):,} parameters: {settings}")
    return "\n".join(lines)


def _sizes(network: nn.Module) -> str:
    parameters = dict(network.named_parameters())
    width = max(map(len, parameters), default=0)
    lines = [
        f"  {name:<{width}}  {parameter.numel():>11,}  {' x '.join(map(str, parameter.shape))}"
        + ("" if parameter.requires_grad else "  (fixed)")
        for name, parameter in parameters.items()
    ]
    return "\n".join([f"{sum(parameter.numel() for parameter in parameters.values()):,} parameters", *lines])
