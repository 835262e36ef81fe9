"""Coverage of the official split by the scored scenes; every deviation is reported with the scores."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cityscapes.layout import IMAGE_SIZE
from cityscapes.official_counts import IMAGES_OF
from engine.findings import counted

_SHOWN = 4


@dataclass(frozen=True)
class Coverage:
    """Number of scored scenes by city and size, compared with the official split."""

    split: str
    cities: dict[str, int]
    """City -> number of scored scenes."""
    sizes: dict[tuple[int, int], int]
    """Width and height in pixels -> number of scored scenes."""
    left_out: int
    """Number of annotated scenes that have neither an image nor a prediction."""

    @classmethod
    def of(cls, split: str, stems: Sequence[str], sizes: Counter[tuple[int, int]], left_out: int) -> "Coverage":
        """The coverage for scored scenes with these names and sizes."""
        cities = Counter(stem.split("_", maxsplit=1)[0] for stem in stems)
        return cls(split, dict(sorted(cities.items())), dict(sorted(sizes.items())), left_out)

    @property
    def is_official(self) -> bool:
        """Whether each city has as many scenes as in the official split, all of the official size."""
        return self.cities == IMAGES_OF[self.split] and set(self.sizes) == {IMAGE_SIZE}

    def to_json(self) -> dict[str, Any]:
        """The coverage as JSON content."""
        return {
            "split": self.split,
            "official": self.is_official,
            "cities": self.cities,
            "officialCities": IMAGES_OF[self.split],
            "sizes": {_size(size): number for size, number in self.sizes.items()},
            "leftOut": self.left_out,
        }

    def __str__(self) -> str:
        scenes = f"{counted(sum(self.cities.values()), 'scene')} of {self.split}"
        if self.is_official:
            return f"{scenes}, as in the official set"
        parts = [scenes, *self._deviations()]
        return f"{', '.join(parts)}: do not compare these scores with published ones"

    def _deviations(self) -> list[str]:
        official = IMAGES_OF[self.split]
        differing = [city for city in {*official, *self.cities} if self.cities.get(city, 0) != official.get(city, 0)]
        differing.sort(key=lambda city: (city not in self.cities, city))
        shown = [f"{city} {self.cities.get(city, 0)} of {official.get(city, 0)}" for city in differing[:_SHOWN]]
        if len(differing) > _SHOWN:
            shown.append(f"and {len(differing) - _SHOWN} more")
        parts = [f"not the official {sum(official.values())} ({', '.join(shown)})"] if shown else []
        if set(self.sizes) != {IMAGE_SIZE}:
            sizes = [_size(size) for size in self.sizes if size != IMAGE_SIZE]
            more = ", ..." if len(sizes) > _SHOWN else ""
            parts.append(f"at {' and '.join(sizes[:_SHOWN])}{more} instead of {_size(IMAGE_SIZE)}")
        if self.left_out:
            parts.append(f"{counted(self.left_out, 'scene')} without image and prediction left out")
        return parts


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
