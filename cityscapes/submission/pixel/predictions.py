"""Prediction files of the pixel task, and the check for exactly one, of the right size, for each image."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cityscapes.predictions import FIX_COMMAND
from cityscapes.submission import completeness
from cityscapes.submission.completeness import ExpectedImages
from cityscapes.submission.pixel import pngs
from engine.findings import Finding, counted, fault, shortened


class Prediction(NamedTuple):
    """A PNG file that the server would read as a prediction."""

    stem: str
    """Stem of the image that it belongs to."""
    name: str
    """Path within the folder or zip."""
    mask: pngs.MaskInfo
    """Content of the file; its problem is `unread` if it must not be read."""


def findings(predictions: Sequence[Prediction], images: ExpectedImages) -> Iterator[Finding]:
    """Faults of missing, duplicate and unknown predictions, and of their sizes."""
    by_stem: dict[str, list[Prediction]] = defaultdict(list)
    sizes = completeness.SizeCheck(images)
    for prediction in predictions:
        by_stem[prediction.stem].append(prediction)
        if prediction.mask.size is not None:
            sizes.add(prediction.stem, prediction.name, prediction.mask.size)
    yield from completeness.findings(by_stem, images)
    yield from _duplicates(by_stem)
    yield from sizes.findings()


def colour_duplicates(predictions: Sequence[Prediction]) -> set[str]:
    """Names of the colour images whose image also has an id mask."""
    masked = {prediction.stem for prediction in predictions if prediction.mask.problem is None}
    return {item.name for item in predictions if item.mask.problem == "colour" and item.stem in masked}


def _duplicates(by_stem: Mapping[str, Sequence[Prediction]]) -> Iterator[Finding]:
    doubles = {stem: found for stem, found in by_stem.items() if len(found) > 1}
    mixed = {stem for stem, found in doubles.items() if colour_duplicates(found)}
    for in_colour, kind, what, remedy in (
        (True, "colour and ids", "colour and id images together", f"remove the colour images: {FIX_COMMAND}"),
        (False, "duplicates", "more than one prediction", "keep the one with label ids"),
    ):
        groups = [doubles[stem] for stem in sorted(doubles) if (stem in mixed) == in_colour]
        if groups:
            names = [_joined([prediction.name for prediction in group]) for group in groups]
            yield fault(kind, f"got {what} for {counted(len(names), 'image')}, expected one prediction", remedy, names)


def _joined(names: Sequence[str]) -> str:
    """Names joined by "and"; of many, the first two and the number of the others."""
    return " and ".join(map(shortened, names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]))
