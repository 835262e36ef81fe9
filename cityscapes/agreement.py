"""How far drawn masks agree with those that came with the data set."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from cityscapes.labels import BY_ID
from engine.images import IdArray


@dataclass
class Agreement:
    """Pixels in common, summed up over scenes."""

    pixels: int = 0
    official: Counter[int] = field(default_factory=Counter)
    """Pixels by label id, in the official masks."""
    equal: Counter[int] = field(default_factory=Counter)
    """Those of them that were drawn the same."""
    differing: dict[str, int] = field(default_factory=dict)
    """Pixels that differ, by scene."""

    @classmethod
    def of(cls, stem: str, drawn: IdArray, official: IdArray) -> "Agreement":
        """Compare two (H, W) masks of label ids of one size."""
        everywhere = np.bincount(official.ravel(), minlength=256)
        same = np.bincount(official[drawn == official], minlength=256)
        return cls(
            pixels=official.size,
            official=Counter({int(id_): int(everywhere[id_]) for id_ in everywhere.nonzero()[0]}),
            equal=Counter({int(id_): int(same[id_]) for id_ in same.nonzero()[0]}),
            differing={stem: int(official.size - same.sum())},
        )

    def add(self, other: "Agreement") -> None:
        """Take in the pixels of other scenes."""
        self.pixels += other.pixels
        self.official += other.official
        self.equal += other.equal
        self.differing |= other.differing

    def table(self, worst: int = 5) -> str:
        """The agreement overall, per class, and in the scenes with the most differing pixels."""
        differing = sum(self.differing.values())
        lines = [
            f"agreement with the official masks: {self.pixels - differing:,} of {self.pixels:,} pixels "
            f"({_percent(self.pixels - differing, self.pixels)}) in {len(self.differing)} scenes",
            f"  {'label':<22}{'pixels':>14}{'differing':>12}{'agreement':>12}",
        ]
        for label_id, count in sorted(self.official.items()):
            name = BY_ID[label_id].name if label_id in BY_ID else f"unknown id {label_id}"
            missed = count - self.equal[label_id]
            lines.append(f"  {name:<22}{count:>14,}{missed:>12,}{_percent(count - missed, count):>12}")
        scenes = sorted(self.differing.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"  {stem}: {count:,} pixels differ" for stem, count in scenes[:worst] if count]
        return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    """A percentage that says 100 only where it is exact."""
    if part == whole:
        return "100 %"
    return f"{min(100 * part / whole, 99.9999):.4f} %"
