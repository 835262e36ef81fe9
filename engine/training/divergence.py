"""Divergence check: stop a training whose loss or weights are NaN or infinite."""

from collections.abc import Sequence

import torch

from engine.errors import InputError
from engine.training.batches import BatchSource
from engine.training.learner import Learner
from engine.training.run import Run

_EVERY = 50
"""Steps between two checks of the losses; a check waits for the device."""


class DivergenceCheck:
    """Checks the losses of all steps, 50 at a time, and the weights before they replace the last good state.

    Args:
        run: run that is named in error messages.
        learner: learner whose weights are checked.
        data: source of the batches, which gives the samples of a step.
    """

    def __init__(self, run: Run, learner: Learner, data: BatchSource) -> None:
        self.run, self.learner, self.data = run, learner, data
        self._losses: list[torch.Tensor] = []
        self._step = 0

    def add(self, loss: torch.Tensor, step: int) -> None:
        """Add the scalar loss of a step of the epoch; every 50 steps the losses are checked.

        Raises:
            InputError: if one is NaN or infinite, with the names of the images in that batch.
        """
        self._losses.append(loss)
        self._step = step
        if len(self._losses) == _EVERY:
            self._check_losses()

    def check(self) -> None:
        """Check the losses added since the last check, and the weights.

        Raises:
            InputError: if a loss, weight or batch statistic is NaN or infinite.
        """
        self._check_losses()
        if not self.learner.is_finite():
            raise self._error("the weights became NaN or infinite", self._step)

    def _check_losses(self) -> None:
        losses, self._losses = self._losses, []
        bad = first_bad(losses)
        if bad is not None:
            raise self._error(f"the loss is {losses[bad].item()}", self._step + 1 - len(losses) + bad)

    def _error(self, problem: str, step: int) -> InputError:
        sampler = self.data.sampler
        names = ", ".join(self.data.samples[request.sample].name for request in sampler.batch(step))
        return InputError(
            f"{self.run.folder}: {problem} in epoch {sampler.epoch}, step {step + 1}, on {names}; the last good "
            f"state is in {self.run.last}. Lower --learning_rate, give --clip_norm 1, or choose --precision 32-true"
        )


def first_bad(losses: Sequence[torch.Tensor]) -> int | None:
    """Index of the first scalar that is NaN or infinite, None if all are finite; waits for the device once."""
    if not losses:
        return None
    bad = (~torch.stack(list(losses)).isfinite()).nonzero()[:, 0].tolist()
    return bad[0] if bad else None
