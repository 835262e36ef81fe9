"""What fits into the time that is left; nothing here looks at a clock."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

MARGIN = 0.1
"""Share of the time that is kept back, because what was measured once takes longer another time."""
VALIDATIONS = 20
"""Of a training, at most; each takes time, and 20 points draw a curve."""


class TimeNeed(NamedTuple):
    """The time that something takes."""

    name: str
    minimum: float
    """Seconds without which it is not worth starting."""
    maximum: float
    """Seconds beyond which more is of no use; infinite where all time is."""


def allocate(needs: Sequence[TimeNeed], seconds: float) -> dict[str, float]:
    """Share out the time.

    Each gets its least, the earlier ones first; what is left goes to all of these, in proportion to what they could
    still use. One that could use everything counts as if it could use what is left once.

    Returns:
        Seconds by name, without those for which not even the least is left.
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


def another_fits(left: float, taken: Sequence[float]) -> bool:
    """Whether there is time for one more of what took so many seconds each; the first is always tried."""
    return left > (1 + MARGIN) * max(taken, default=0)


class TrainingTime(NamedTuple):
    """What training takes, as a trial found it."""

    start: float
    """Seconds before the first epoch and after the last, once for each training."""
    epoch: float
    """Seconds of an epoch that is not validated."""
    validation: float
    """Seconds of a validation."""

    def seconds(self, epochs: int) -> float:
        """Of a whole training with the usual number of validations."""
        return self.start + epochs * self.epoch + VALIDATIONS * self.validation


def estimate(whole: float, epochs: Sequence[tuple[float, bool]]) -> TrainingTime:
    """The pace of a training of at least two epochs.

    What the first epoch and the first validation take longer counts as part of the start, because there algorithms are
    chosen and graphs captured.

    Args:
        whole: seconds of the process.
        epochs: the seconds of each, and whether it was validated.
    """
    plain = [seconds for seconds, validated in epochs[1:] if not validated]
    validated = [seconds for seconds, validated in epochs[1:] if validated]
    epoch = statistics.median(plain or validated)
    validation = max(0.0, validated[-1] - epoch) if validated else 0.0
    accounted = epoch * len(epochs) + validation * sum(validated for _, validated in epochs)
    return TrainingTime(max(0.0, whole - accounted), epoch, validation)


def epochs_that_fit(seconds: float, runs: int, found: TrainingTime, maximum: int) -> int:
    """Epochs of each of so many equal trainings, one after the other; 0 if not one epoch fits."""
    each = (1 - MARGIN) * seconds / runs - found.seconds(0)
    return max(0, min(maximum, math.floor(each / found.epoch)))


def validate_every(epochs: int) -> int:
    """How many epochs lie between two validations, if there are to be at most `VALIDATIONS` in all."""
    return max(1, math.ceil(epochs / VALIDATIONS))


def part_count(size: int, largest: int) -> int:
    """How many files a number of bytes takes, none larger than the largest allowed."""
    return max(1, math.ceil(size / largest))
