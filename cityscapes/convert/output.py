"""Result of a conversion."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion."""

    images: int
    """Number of images with a file in the new folder."""
    objects: int
    """Number of objects or segments in these files."""
    reading: str = ""
    """Description of how the category ids were read; empty if the names of labels decided."""
    notes: tuple[str, ...] = ()
    """Remarks on objects that were changed or left out, without being faulty."""
    skipped: tuple[str, ...] = ()
    """Messages on the faulty objects that were left out; empty unless that was asked for."""
    split: str = ""
    """Split that the images belong to; empty for annotations."""
