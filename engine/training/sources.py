"""Where a training takes its images from: from files, or from the memory of its device."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from lightning_fabric import Fabric

from engine.benchmark import Benchmark, Sample
from engine.data.class_index import ClassIndex
from engine.data.dataset import FileReader, Reader
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.resident import ResidentData, bytes_needed, fits_on_device
from engine.data.sampler import EpochSampler
from engine.training.batches import BatchSource, FileBatches, ResidentBatches
from engine.training.config import Recipe
from engine.training.evaluation import Evaluator, share

DataOn = Literal["auto", "device", "workers"]
"""Where images wait: decoded on the device, or in files that processes decode; auto is the device where they fit."""


def build(
    fabric: Fabric,
    recipe: Recipe,
    benchmark: Benchmark,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    reader: Reader,
    index: ClassIndex | None,
    *,
    data_on: DataOn,
) -> tuple[BatchSource, Evaluator]:
    """The batches to train on, and what measures the network.

    Args:
        fabric: the processes of the job.
        recipe: how to train.
        benchmark: of the samples.
        training: samples to train on.
        validation: samples to measure on.
        reader: of the training samples.
        index: where the classes lie in them, for class-uniform crops.
        data_on: where images wait.

    Raises:
        InputError: with every file that cannot be read onto the device.
    """
    void, device, workers = benchmark.classes.void, fabric.device, recipe.workers
    sampler = EpochSampler(
        len(training),
        recipe.batch_size,
        recipe.seed,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        index=index,
        class_uniform=recipe.class_uniform,
    )
    every = [*training, *validation]
    if data_on == "workers" or (data_on == "auto" and not fits_on_device(every, device)):
        files = FileBatches(
            training,
            reader,
            sampler,
            recipe.augmentation,
            crop_size=recipe.crop_size,
            void=void,
            workers=workers,
            pinned=device.type == "cuda",
        )
        return files, Evaluator(fabric, benchmark, validation, workers=workers)
    fabric.print(f"{len(every)} images go to {device} as a whole, up to {bytes_needed(every) / 1e9:.1f} GB")
    load = partial(ResidentData.fill, device=device, void=void, workers=max(1, workers))
    data = load(training, reader, title="load training images")
    measured = load(share(validation, fabric), FileReader(benchmark.read_mask), title="load validation images")
    augmentation = DeviceAugmentation(recipe.augmentation, recipe.crop_size, void)
    batches = ResidentBatches(training, data, sampler, augmentation, workers=workers)
    return batches, Evaluator(fabric, benchmark, validation, workers=0, source=measured.items)
