"""Is there exactly one prediction, of the right size, for every image of the test set?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import IMAGE_SIZE, IMAGES, pictured_scenes, require_root
from cityscapes.official_counts import IMAGES_OF, SPLIT_OF
from cityscapes.predictions import FIX
from cityscapes.submission import pngs
from engine.errors import InputError
from engine.files.images import image_size
from engine.findings import Finding, counted, fault, tally

_TEST = IMAGES_OF["test"]
_LEAVE_OUT = "predict the test split, and pack nothing else"


class Prediction(NamedTuple):
    """One PNG that the server would take for a prediction."""

    stem: str
    """The image that it belongs to."""
    name: str
    """Its path below the folder or within the zip."""
    look: pngs.Look
    """What is in it; empty if it must not be read."""


class Wanted(NamedTuple):
    """The images to be predicted: each by name with a data folder, else only how many there are in each city."""

    sizes: Mapping[str, pngs.Size] | None
    """Stem -> width and height of the image."""
    cities: Mapping[str, int]
    """City -> images."""


def wanted(root: Path | None) -> Wanted:
    """The test images of a data folder, or without one those of the official set.

    Raises:
        InputError: if the folder has no test images, or with every one that is damaged.
    """
    if root is None:
        return Wanted(None, _TEST)
    require_root(root)
    scenes = pictured_scenes(root, "test")
    if not scenes:
        raise InputError(
            f"{root / IMAGES / 'test'}: no images, expected those of the test set; unpack leftImg8bit_trainvaltest.zip "
            "there, or leave --root out to check against the official numbers"
        )
    sizes: dict[str, pngs.Size] = {}
    messages: list[str] = []
    for scene in scenes:
        try:
            sizes[scene.stem] = image_size(scene.image(root))
        except InputError as error:
            messages += error.messages
    if messages:
        raise InputError(*messages)
    return Wanted(sizes, Counter(map(_city, sizes)))


def findings(predictions: Sequence[Prediction], images: Wanted) -> Iterator[Finding]:
    """Every fault of attendance and size."""
    by_stem: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        by_stem[prediction.stem].append(prediction)
    if images.sizes is None:
        yield from _by_number(by_stem, images.cities)
    else:
        yield from _by_name(by_stem, images.sizes)
    yield from _strangers(sorted(stem for stem in by_stem if not _known(stem, images)))
    yield from _duplicates(by_stem)
    yield from _sizes(predictions, images)


def coloured_doubles(predictions: Sequence[Prediction]) -> set[str]:
    """The names of the colour images that lie beside an id mask of the same image."""
    masked = {prediction.stem for prediction in predictions if prediction.look.trouble is None}
    return {item.name for item in predictions if item.look.trouble == "colour" and item.stem in masked}


def _city(stem: str) -> str:
    return stem.split("_", maxsplit=1)[0]


def _known(stem: str, images: Wanted) -> bool:
    return _city(stem) in images.cities if images.sizes is None else stem in images.sizes


def _by_name(by_stem: Mapping[str, object], sizes: Mapping[str, pngs.Size]) -> Iterator[Finding]:
    missing = sorted(set(sizes) - set(by_stem))
    if missing:
        what = f"got no prediction of {len(missing)} of {counted(len(sizes), 'test image')}"
        yield fault("missing", f"{what}: {tally(map(_city, missing))}", "predict the whole test split", missing)


def _by_number(by_stem: Mapping[str, object], cities: Mapping[str, int]) -> Iterator[Finding]:
    got = Counter(map(_city, by_stem))
    few = {city: number - got[city] for city, number in cities.items() if got[city] < number}
    many = {city: got[city] - number for city, number in cities.items() if got[city] > number}
    if few:
        what = f"got no prediction of {sum(few.values())} of {counted(sum(cities.values()), 'test image')}"
        lines = [f"{city} {got[city]} of {cities[city]}" for city in few]
        yield _of_cities("missing", what, "predict the whole test split; --root names the images", lines, few)
    if many:
        what = f"got predictions of {counted(sum(many.values()), 'image')} more than the test set has"
        lines = [f"{city} {got[city]}, expected {cities[city]}" for city in many]
        yield _of_cities("not in the test set", what, f"{_LEAVE_OUT}; --root names them", lines, many)


def _of_cities(kind: str, what: str, remedy: str, lines: list[str], numbers: Mapping[str, int]) -> Finding:
    """A fault that lists cities in place of files."""
    return fault(kind, f"{what}: {', '.join(lines)}", remedy, [], count=sum(numbers.values()))


def _strangers(stems: Sequence[str]) -> Iterator[Finding]:
    if not stems:
        return
    splits = {SPLIT_OF.get(_city(stem)) for stem in stems} - {None, "test"}
    hint = f"these cities belong to {' and '.join(sorted(filter(None, splits)))}: " if splits else ""
    what = f"got predictions of {counted(len(stems), 'image')} that the test set lacks: {tally(map(_city, stems))}"
    yield fault("not in the test set", what, f"{hint}{_LEAVE_OUT}", stems)


def _duplicates(by_stem: Mapping[str, Sequence[Prediction]]) -> Iterator[Finding]:
    doubles = {stem: found for stem, found in by_stem.items() if len(found) > 1}
    mixed = {stem for stem, found in doubles.items() if coloured_doubles(found)}
    for in_colour, kind, what, remedy in (
        (True, "colour beside ids", "colour and id images together", f"remove the colour images: {FIX}"),
        (False, "duplicates", "more than one prediction", "keep one of each, the label ids"),
    ):
        groups = [doubles[stem] for stem in sorted(doubles) if (stem in mixed) == in_colour]
        if groups:
            names = [" and ".join(prediction.name for prediction in group) for group in groups]
            yield fault(kind, f"got {what} for {counted(len(names), 'image')}, expected one prediction", remedy, names)


def _sizes(predictions: Sequence[Prediction], images: Wanted) -> Iterator[Finding]:
    wrong = []
    for prediction in predictions:
        size = prediction.look.size
        right = IMAGE_SIZE if images.sizes is None else images.sizes.get(prediction.stem)
        if size is not None and right is not None and size != right:
            wrong.append(f"{prediction.name}: got {_written(size)}, expected {_written(right)}")
    if wrong:
        what = f"got {counted(len(wrong), 'prediction')} of another size than the image"
        yield fault("size", what, "predict at full size, or enlarge the logits before the argmax", wrong)


def _written(size: pngs.Size) -> str:
    return f"{size[0]} x {size[1]}"
