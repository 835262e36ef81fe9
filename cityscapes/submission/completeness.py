"""Check for exactly one prediction, of the right size, for every image of the test set."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import IMAGE_SIZE, IMAGES, require_root, scenes_with_image
from cityscapes.official_counts import IMAGES_OF, SPLIT_OF
from cityscapes.predictions import FIX_COMMAND
from cityscapes.submission import pngs
from engine.errors import InputError
from engine.files.images import image_size
from engine.findings import Finding, counted, fault, occurrences, shortened

_TEST = IMAGES_OF["test"]
_LEAVE_OUT = "predict the test split, and pack nothing else"
_WHOLE = "unpack leftImg8bit_trainvaltest.zip completely, or omit --root to check against the official numbers"


class Prediction(NamedTuple):
    """A PNG file that the server would read as a prediction."""

    stem: str
    """Stem of the image that it belongs to."""
    name: str
    """Path within the folder or zip."""
    mask: pngs.MaskInfo
    """Content of the file; its problem is `unread` if it must not be read."""


class ExpectedImages(NamedTuple):
    """The images to predict: by name if there is a data folder, otherwise their number per city."""

    sizes: Mapping[str, pngs.Size] | None
    """Stem of each image -> width and height in pixels; None without a data folder."""
    cities: Mapping[str, int]
    """City -> number of images."""
    deviation: str = ""
    """Differences in number and size from the official test set; empty if there are none."""


def expected_images(root: Path | None) -> ExpectedImages:
    """The test images of a data folder, or the official numbers without one.

    Raises:
        InputError: if the folder has no test images, or with every damaged image.
    """
    if root is None:
        return ExpectedImages(None, _TEST)
    require_root(root)
    scenes = scenes_with_image(root, "test")
    if not scenes:
        raise InputError(
            f"{root / IMAGES / 'test'}: no images, expected those of the test set; unpack leftImg8bit_trainvaltest.zip "
            "there, or omit --root to check against the official numbers"
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
    return ExpectedImages(sizes, Counter(map(_city, sizes)), _deviation(sizes))


def _deviation(sizes: Mapping[str, pngs.Size]) -> str:
    """Differences in number and size between images and the official test set."""
    got = Counter(map(_city, sizes))
    cities = [city for city in sorted({*_TEST, *got}) if got[city] != _TEST.get(city, 0)]
    parts = []
    if cities:
        differing = ", ".join(f"{city} {got[city]} of {_TEST.get(city, 0)}" for city in cities)
        parts.append(f"got {counted(len(sizes), 'image')}, expected {sum(_TEST.values())} ({differing})")
    for size, number in sorted(Counter(sizes.values()).items()):
        if size != IMAGE_SIZE:
            parts.append(f"got {counted(number, 'image')} of {_size_text(size)}, expected {_size_text(IMAGE_SIZE)}")
    return "; ".join(parts)


def findings(predictions: Sequence[Prediction], images: ExpectedImages) -> Iterator[Finding]:
    """Faults of missing, duplicate and unknown predictions, and of their sizes."""
    by_stem: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        by_stem[prediction.stem].append(prediction)
    if images.sizes is None:
        yield from _by_number(by_stem, images.cities)
    else:
        yield from _by_name(by_stem, images.sizes)
    yield from _unknown_images(sorted(stem for stem in by_stem if not _is_expected(stem, images)), images)
    yield from _duplicates(by_stem)
    yield from _sizes(predictions, images)


def colour_duplicates(predictions: Sequence[Prediction]) -> set[str]:
    """Names of the colour images whose image also has an id mask."""
    masked = {prediction.stem for prediction in predictions if prediction.mask.problem is None}
    return {item.name for item in predictions if item.mask.problem == "colour" and item.stem in masked}


def _city(stem: str) -> str:
    return stem.split("_", maxsplit=1)[0]


def _is_expected(stem: str, images: ExpectedImages) -> bool:
    return _city(stem) in images.cities if images.sizes is None else stem in images.sizes


def _by_name(by_stem: Mapping[str, object], sizes: Mapping[str, pngs.Size]) -> Iterator[Finding]:
    missing = sorted(set(sizes) - set(by_stem))
    if missing:
        what = f"got no prediction for {len(missing)} of {counted(len(sizes), 'test image')}"
        yield fault("missing", f"{what}: {occurrences(map(_city, missing))}", "predict the whole test split", missing)


def _by_number(by_stem: Mapping[str, object], cities: Mapping[str, int]) -> Iterator[Finding]:
    got = Counter(map(_city, by_stem))
    few = {city: number - got[city] for city, number in cities.items() if got[city] < number}
    many = {city: got[city] - number for city, number in cities.items() if got[city] > number}
    if few:
        what = f"got no prediction for {sum(few.values())} of {counted(sum(cities.values()), 'test image')}"
        lines = [f"{city} {got[city]} of {cities[city]}" for city in few]
        yield _city_fault("missing", what, "predict the whole test split; give --root to list the images", lines, few)
    if many:
        what = f"got predictions for {counted(sum(many.values()), 'image')} more than the test set has"
        lines = [f"{city} {got[city]}, expected {cities[city]}" for city in many]
        yield _city_fault("not in the test set", what, f"{_LEAVE_OUT}; give --root to list them", lines, many)


def _city_fault(kind: str, what: str, remedy: str, lines: list[str], numbers: Mapping[str, int]) -> Finding:
    """A fault that lists cities instead of files."""
    return fault(kind, f"{what}: {', '.join(lines)}", remedy, [], count=sum(numbers.values()))


def _unknown_images(stems: Sequence[str], images: ExpectedImages) -> Iterator[Finding]:
    if not stems:
        return
    splits = {SPLIT_OF.get(_city(stem)) for stem in stems}
    foreign = sorted(filter(None, splits - {None, "test"}))
    remedy = f"these cities belong to {' and '.join(foreign)}: {_LEAVE_OUT}" if foreign else _LEAVE_OUT
    if images.deviation and "test" in splits:
        remedy = f"the images under --root are not the official test set ({images.deviation}): {_WHOLE}"
    what = f"got predictions for {counted(len(stems), 'image')} outside the test set: {occurrences(map(_city, stems))}"
    yield fault("not in the test set", what, remedy, stems)


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


def _sizes(predictions: Sequence[Prediction], images: ExpectedImages) -> Iterator[Finding]:
    wrong: list[str] = []
    official: list[str] = []
    for prediction in predictions:
        size = prediction.mask.size
        right = IMAGE_SIZE if images.sizes is None else images.sizes.get(prediction.stem)
        if size is not None and right is not None and size != right:
            detail = f"{prediction.name}: got {_size_text(size)}, expected {_size_text(right)}"
            (official if size == IMAGE_SIZE else wrong).append(detail)
    for names, remedy in (
        (wrong, "predict at full size, or enlarge the logits before the argmax"),
        (official, f"these have the official size, the images under --root do not: {_WHOLE}"),
    ):
        if names:
            what = f"got {counted(len(names), 'prediction')} of a different size than the image"
            yield fault("size", what, remedy, names)


def _size_text(size: pngs.Size) -> str:
    return f"{size[0]} x {size[1]}"


def _joined(names: Sequence[str]) -> str:
    """Names joined by "and"; of many, the first two and the number of the others."""
    return " and ".join(map(shortened, names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]))
