"""The classes of a benchmark: names, colours, and the id that means none of them."""

from dataclasses import dataclass

import numpy as np

from engine.images import UInt8Array


@dataclass(frozen=True)
class ClassTable:
    """The classes that are trained and scored, in the order of their train ids."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    void: int = 255
    """The train id of pixels that belong to no class: not trained on, not scored."""

    def __len__(self) -> int:
        return len(self.names)

    def colorize(self, mask: UInt8Array) -> UInt8Array:
        """Colour a (H, W) mask of train ids as (H, W, 3) RGB; what is no class becomes black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self)] = self.colors
        return palette[mask]
