"""Check of the masks before a training, so that an error is not reported an epoch later."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from engine import parallel
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError


def require_classes(
    benchmark: Benchmark, training: Sequence[Sample], validation: Sequence[Sample], *, workers: int
) -> None:
    """Read all validation masks, and training masks until one contains a pixel of a class.

    The other training masks are read in the first epoch anyway.

    Args:
        benchmark: benchmark that reads the masks.
        training: samples to train on.
        validation: samples to validate on.
        workers: number of threads that read.

    Raises:
        InputError: with every mask that is unreadable or contains ids that are not classes, or if all pixels are void.
    """

    def has_class(sample: Sample) -> bool:
        if sample.mask is None:
            raise InputError(f"{sample.image}: this split has no masks, which training and scoring need")
        return bool((benchmark.train_ids(sample.mask) != benchmark.classes.void).any())

    with ThreadPoolExecutor(max(1, workers)) as pool:
        done = parallel.prefetch(pool, has_class, validation, depth=2 * max(1, workers))
        found = [result for _, result in tqdm(done, "check masks", total=len(validation), disable=None, leave=False)]
    if messages := [message for result in found if isinstance(result, InputError) for message in result.messages]:
        raise InputError(*messages)
    for samples, purpose, flag, usable in (
        (validation, "validate", "val_split", any(found)),
        (training, "train", "train_split", any(map(has_class, training))),
    ):
        if not usable:
            raise InputError(
                f"{samples[0].mask}: all pixels of this mask and of all other masks to {purpose} on ({len(samples)} in "
                "all) are void, expected at least one pixel of a class; draw the masks again, or choose another "
                f"--{flag}"
            )
