"""The contract of what predicts images."""

from typing import Protocol

import torch

from engine.arrays import Size


class Segmenter(Protocol):
    """Predicts images: a network made ready, in tiles where memory is short, with several views averaged.

    All images are on `device` and so are the results. One thread at a time may call it.
    """

    @property
    def device(self) -> torch.device:
        """Where the network runs."""

    @property
    def precision(self) -> str:
        """Its arithmetic: 32-true, bf16-mixed or 16-mixed."""

    @property
    def bounds_memory(self) -> bool:
        """Whether `prepare` should be called for each size of image before memory is taken for other things."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences."""

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) float logits."""

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """(C, ...) logits, or anything that is greatest for the same class -> (...) uint8 ids or confidences."""

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Find out whether images of that size fit in memory, and how to tile them; by their logits, or by their ids.

        Raises:
            InputError: if not even tiles fit.
        """

    def require_finite(self) -> None:
        """Wait for the images so far, and refuse a network whose scores were not all finite.

        Raises:
            InputError: if a score of an image was NaN or infinite; fp16 ends at 65504.
        """
