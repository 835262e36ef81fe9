"""Where a training takes its images from: from files, or from the memory of its device."""

from collections.abc import Sequence
from functools import partial

from lightning_fabric import Fabric

from engine.benchmark import Benchmark, Sample
from engine.data.class_index import ClassIndex
from engine.data.dataset import FileReader, Reader
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.resident import ResidentData, bytes_needed, fits_on_device
from engine.data.sampler import EpochSampler
from engine.training.batches import BatchSource, FileBatches, ResidentBatches
from engine.training.config import TrainingConfig
from engine.training.evaluation import Evaluator, share


def build(
    fabric: Fabric,
    config: TrainingConfig,
    benchmark: Benchmark,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    reader: Reader,
    index: ClassIndex | None,
) -> tuple[BatchSource, Evaluator]:
    """The batches to train on, and what measures the network.

    Args:
        fabric: the processes of the job.
        config: how to train.
        benchmark: of the samples.
        training: samples to train on.
        validation: samples to measure on.
        reader: of the training samples.
        index: where the classes lie in them, for class-uniform crops.

    Raises:
        InputError: with every file that cannot be read onto the device.
    """
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
    measured = load(share(validation, fabric), FileReader(benchmark.read_mask), title="load validation images")
    augmentation = DeviceAugmentation(config.augmentation, config.crop_size, void)
    batches = ResidentBatches(training, data, sampler, augmentation, workers=workers)
    return batches, Evaluator(fabric, benchmark, validation, workers=0, source=measured.items)
