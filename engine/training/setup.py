"""Setting up a training: its data, its learner and its loop."""

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
    """All that a training needs, ready to `fit`.

    Args:
        fabric: the processes of the job; each calls this.
        config: how to train.
        run: the folder that everything is kept in; it was started.
        network: (N, 3, H, W) float -> (N, C, H, W) logits, with the weights to start from.
        about: metadata of these weights.
        benchmark: of the samples.
        training: samples to train on.
        validation: samples to measure on.
        verbose: how much to print of the network, as `model_summary` does; 0 for nothing.

    Raises:
        InputError: for files that cannot be read, and settings that do not go together.
    """
    if fabric.is_global_zero:
        require_classes(benchmark, training, validation, workers=config.workers)
    fabric.barrier()
    reader = _reader(fabric, config, benchmark, training)
    index = _class_index(fabric, config, run, benchmark, training)
    weights = _class_weights(index, config.class_weights)
    if config.compile:
        network.compile()  # in place, so weights keep their names
    normalize = Normalize(about.mean, about.std)
    learner = Learner(fabric, network, normalize, config, benchmark.classes.void, weights)
    if verbose:
        fabric.print(model_summary(network, learner.optimizer, verbose))
    data, evaluator = _data(fabric, config, benchmark, training, validation, reader, index)
    return Trainer(fabric, run, learner, about, benchmark, config, data, evaluator, validation)


def _reader(fabric: Fabric, config: TrainingConfig, benchmark: Benchmark, samples: Sequence[Sample]) -> Reader:
    """What decodes training samples: from their files, or from a cache that the first process fills."""
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
    """Where the classes lie in the training masks, if that is needed; the first process looks for all."""
    if not config.class_uniform and config.class_weights == "none":
        return None
    build = partial(class_index.build, samples, benchmark.train_ids, len(benchmark.classes), run.class_index)
    if fabric.is_global_zero:
        build(workers=max(1, config.workers))
    fabric.barrier()
    return build(workers=1)


def _class_weights(index: ClassIndex | None, name: str) -> torch.Tensor | None:
    """What pixels of each class weigh in the loss, (C,), None for all alike."""
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
    """The batches to train on and what measures the network, from files or from the memory of the device."""
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
    fabric.print(f"{len(every)} images go to {device} as a whole, up to {bytes_needed(every) / 1e9:.1f} GB")
    load = partial(ResidentData.fill, device=device, void=void, workers=max(1, workers))
    data = load(training, reader, title="load training images")
    measured = load(shard(validation, fabric), FileReader(benchmark.train_ids), title="load validation images")
    augmentation = DeviceAugmentation(config.augmentation, config.crop_size, void)
    batches = ResidentBatches(training, data, sampler, augmentation, workers=workers)
    return batches, Evaluator(fabric, benchmark, validation, workers=0, source=measured.items)


def model_summary(network: nn.Module, optimizer: torch.optim.Optimizer, detail: int) -> str:
    """The architecture (detail 1), the optimiser too (2), and every parameter's size (3)."""
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
