"""Stopping a training whose loss or weights are no numbers."""

from collections.abc import Sequence

import torch

from engine.benchmark import Sample
from engine.data.sampler import EpochSampler
from engine.errors import InputError
from engine.training.learner import Learner
from engine.training.run import Run

_EVERY = 50
"""Steps after which losses are looked at, which waits for the device."""


class Alarm:
    """Looks at the losses of all steps, some at a time, and at the weights before they replace a good state.

    Args:
        run: that the messages speak of.
        learner: whose weights are looked at.
        samples: of the training split.
        sampler: of the epochs; it tells which samples a step had.
    """

    def __init__(self, run: Run, learner: Learner, samples: Sequence[Sample], sampler: EpochSampler) -> None:
        self.run, self.learner, self.samples, self.sampler = run, learner, samples, sampler
        self._losses: list[torch.Tensor] = []
        self._place = 0

    def note(self, loss: torch.Tensor, place: int) -> None:
        """Take in the scalar loss of a step of the epoch, and look at the losses if there are enough of them.

        Raises:
            InputError: if one is no number, with the names of the images in that batch.
        """
        self._losses.append(loss)
        self._place = place
        if len(self._losses) == _EVERY:
            self._check_losses()

    def check(self) -> None:
        """Look at all that was noted, and at the weights.

        Raises:
            InputError: if anything is no number.
        """
        self._check_losses()
        if not self.learner.is_finite():
            raise self._fault("weights that are no numbers came", self._place)

    def _check_losses(self) -> None:
        losses, self._losses = self._losses, []
        if not losses:
            return
        bad = (~torch.stack(losses).isfinite()).nonzero()[:, 0].tolist()
        if bad:
            place = self._place + 1 - len(losses) + bad[0]
            raise self._fault(f"the loss is {losses[bad[0]].item()}", place)

    def _fault(self, what: str, place: int) -> InputError:
        names = ", ".join(self.samples[draw.number].name for draw in self.sampler.batch(place))
        return InputError(
            f"{self.run.folder}: {what} in epoch {self.sampler.epoch}, step {place + 1}, on {names}; the last good "
            f"state is in {self.run.last}. Lower --learning_rate, give --clip_norm 1, or choose --precision 32-true"
        )
