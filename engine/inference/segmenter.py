"""The contract of a segmenter, which predicts images on a device."""

from typing import Protocol

import torch

from engine.arrays import Size


class Segmenter(Protocol):
    """Predicts images: by a network, in tiles where memory is short, or with test-time augmentation.

    Images and results are on `device`. Only one thread at a time may call it.
    """

    @property
    def device(self) -> torch.device:
        """Device of the network, its images and its results."""

    @property
    def precision(self) -> str:
        """Precision of the arithmetic: 32-true, bf16-mixed or 16-mixed."""

    @property
    def bounds_memory(self) -> bool:
        """Whether `prepare` should be called for each image size before other parts of the process take memory."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences."""

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) float logits."""

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """(C, ...) logits, or other scores with the same argmax -> (...) uint8 ids or confidences."""

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Find out whether images of that size fit in memory, and plan tiles for them if not.

        Args:
            size: height and width of the images.
            logits: whether `logits` will be called, which takes more memory than predicting ids.

        Raises:
            InputError: if not even the smallest tiles fit.
        """

    def require_finite(self) -> None:
        """Wait for the images so far, and check that all their scores were finite.

        Raises:
            InputError: if a score of an image was NaN or infinite; fp16 ends at 65504.
        """
