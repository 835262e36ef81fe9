"""Planning of measurements within the remaining time; nothing here reads a clock."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

MARGIN = 0.1
"""Share of the time that is reserved, because the same work can take longer another time."""
VALIDATIONS = 20
"""Most validations of a training: each takes time, and 20 points are enough for a curve."""


class TimeNeed(NamedTuple):
    """Time that a step needs."""

    name: str
    minimum: float
    """Seconds below which it is not worth starting."""
    maximum: float
    """Seconds above which more time is useless; infinite if it can use all time."""


def allocate(needs: Sequence[TimeNeed], seconds: float) -> dict[str, float]:
    """Allocate the time to the steps.

    Each step gets its minimum, the earlier ones first. The rest goes to these steps in proportion to the additional
    time that they can use; a step that can use all time counts as if it could use the whole rest.

    Returns:
        Seconds by name, without the steps whose minimum does not fit.
    """
    given: dict[str, float] = {}
    left = seconds
    for need in needs:
        if need.minimum <= left:
            given[need.name] = need.minimum
            left -= need.minimum
    rooms = {
        need.name: left if math.isinf(need.maximum) else need.maximum - need.minimum
        for need in needs
        if need.name in given
    }
    total = sum(rooms.values())
    return {
        name: minimum + min(rooms[name], left * rooms[name] / total if total else 0) for name, minimum in given.items()
    }


def another_fits(left: float, durations: Sequence[float]) -> bool:
    """Whether one more run fits into the time left.

    Args:
        left: seconds left.
        durations: seconds of each earlier run; if there was none, any time left is enough.
    """
    return left > (1 + MARGIN) * max(durations, default=0)


class TrainingTime(NamedTuple):
    """Time of a training, as estimated from a trial training."""

    start: float
    """Seconds before the first epoch and after the last, once for each training."""
    epoch: float
    """Seconds of an epoch that is not validated."""
    validation: float
    """Seconds of a validation."""

    def seconds(self, epochs: int) -> float:
        """Seconds of a whole training with `VALIDATIONS` validations."""
        return self.start + epochs * self.epoch + VALIDATIONS * self.validation


def estimate(whole: float, epochs: Sequence[tuple[float, bool]]) -> TrainingTime:
    """Estimate the time of trainings from one of at least two epochs.

    The additional time of the first epoch and the first validation counts as part of the start, because algorithms are
    chosen and graphs captured in them.

    Args:
        whole: seconds of the whole process.
        epochs: for each epoch its seconds, and whether it was validated.
    """
    plain = [seconds for seconds, validated in epochs[1:] if not validated]
    validated = [seconds for seconds, validated in epochs[1:] if validated]
    epoch = statistics.median(plain or validated)
    validation = max(0.0, validated[-1] - epoch) if validated else 0.0
    accounted = epoch * len(epochs) + validation * sum(validated for _, validated in epochs)
    return TrainingTime(max(0.0, whole - accounted), epoch, validation)


def epochs_that_fit(seconds: float, runs: int, found: TrainingTime, maximum: int) -> int:
    """Number of epochs for each training, if several equal trainings run one after the other.

    Args:
        seconds: time for all trainings.
        runs: number of trainings.
        found: estimated time of a training.
        maximum: most epochs of a training.

    Returns:
        The number of epochs; 0 if not even one fits.
    """
    each = (1 - MARGIN) * seconds / runs - found.seconds(0)
    return max(0, min(maximum, math.floor(each / found.epoch)))


def validate_every(epochs: int) -> int:
    """Number of epochs between two validations that gives at most `VALIDATIONS` of them."""
    return max(1, math.ceil(epochs / VALIDATIONS))


def part_count(size: int, largest: int) -> int:
    """Number of files for `size` bytes if no file may have more than `largest` bytes; at least 1."""
    return max(1, math.ceil(size / largest))
