"""Images of the test set, and checks that each has a prediction of the right size; for all tasks."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import IMAGE_SIZE, IMAGES, require_root, scenes_with_image
from cityscapes.official_counts import IMAGES_OF, SPLIT_OF
from cityscapes.predictions import CONVERT_COMMAND
from engine.errors import InputError
from engine.files.images import image_size
from engine.findings import Finding, counted, fault, occurrences

_TEST = IMAGES_OF["test"]
_WHOLE_SPLIT = "predict the whole test split"
_LEAVE_OUT = "predict the test split, and pack nothing else"
_WHOLE = "unpack leftImg8bit_trainvaltest.zip completely, or omit --root to check against the official numbers"


Size = tuple[int, int]
"""Width and height."""


class ExpectedImages(NamedTuple):
    """The images to predict: by name if there is a data folder, otherwise their number per city."""

    sizes: Mapping[str, Size] | None
    """Stem of each image -> width and height in pixels; None without a data folder."""
    cities: Mapping[str, int]
    """City -> number of images."""
    deviation: str = ""
    """Differences in number and size from the official test set; empty if there are none."""

    def size_of(self, stem: str) -> Size | None:
        """Width and height of an image: the official ones without a data folder; None if the folder lacks the image."""
        return IMAGE_SIZE if self.sizes is None else self.sizes.get(stem)


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
    sizes: dict[str, Size] = {}
    messages: list[str] = []
    for scene in scenes:
        try:
            sizes[scene.stem] = image_size(scene.image(root))
        except InputError as error:
            messages += error.messages
    if messages:
        raise InputError(*messages)
    return ExpectedImages(sizes, Counter(map(_city, sizes)), _deviation(sizes))


def _deviation(sizes: Mapping[str, Size]) -> str:
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


def findings(stems: Iterable[str], images: ExpectedImages, missing: str = _WHOLE_SPLIT) -> Iterator[Finding]:
    """Faults of images without a prediction, and of predictions of other images.

    Args:
        stems: of the images that have a prediction.
        images: the images to predict.
        missing: remedy for missing predictions.
    """
    predicted = set(stems)
    if images.sizes is None:
        yield from _by_number(predicted, images.cities, missing)
    else:
        yield from _by_name(predicted, images.sizes, missing)
    yield from _unknown_images(sorted(stem for stem in predicted if not _is_expected(stem, images)), images)


class SizeCheck:
    """Collector of files whose size differs from that of their image.

    Args:
        images: the images to predict.
        noun: name of one file in messages.
    """

    def __init__(self, images: ExpectedImages, noun: str = "prediction") -> None:
        self._images = images
        self._noun = noun
        self._wrong: list[str] = []
        self._official: list[str] = []

    def add(self, stem: str, name: str, size: Size) -> None:
        """Compare the width and height of a file with those of its image, if that is known."""
        right = self._images.size_of(stem)
        if right is not None and size != right:
            detail = f"{name}: got {_size_text(size)}, expected {_size_text(right)}"
            (self._official if size == IMAGE_SIZE else self._wrong).append(detail)

    def findings(self) -> Iterator[Finding]:
        """Faults of the files that were added."""
        for names, remedy in (
            (self._wrong, "predict at full size, or enlarge the logits before the argmax"),
            (self._official, f"these have the official size, the images under --root do not: {_WHOLE}"),
        ):
            if names:
                what = f"got {counted(len(names), self._noun)} of a different size than the image"
                yield fault("size", what, remedy, names)


def _city(stem: str) -> str:
    return stem.split("_", maxsplit=1)[0]


def _is_expected(stem: str, images: ExpectedImages) -> bool:
    return _city(stem) in images.cities if images.sizes is None else stem in images.sizes


def _by_name(predicted: Collection[str], sizes: Mapping[str, Size], remedy: str) -> Iterator[Finding]:
    missing = sorted(set(sizes).difference(predicted))
    if missing:
        what = f"got no prediction for {len(missing)} of {counted(len(sizes), 'test image')}"
        yield fault("missing", f"{what}: {occurrences(map(_city, missing))}", remedy, missing)


def _by_number(predicted: Collection[str], cities: Mapping[str, int], remedy: str) -> Iterator[Finding]:
    got = Counter(map(_city, predicted))
    few = {city: number - got[city] for city, number in cities.items() if got[city] < number}
    many = {city: got[city] - number for city, number in cities.items() if got[city] > number}
    if few:
        what = f"got no prediction for {sum(few.values())} of {counted(sum(cities.values()), 'test image')}"
        lines = [f"{city} {got[city]} of {cities[city]}" for city in few]
        yield _city_fault("missing", what, f"{remedy}; give --root to list the images", lines, few)
    if many:
        what = f"got predictions for {counted(sum(many.values()), 'image')} more than the test set has"
        lines = [f"{city} {got[city]}, expected {cities[city]}" for city in many]
        yield _city_fault("not in the test set", what, f"{_LEAVE_OUT}; give --root to list them", lines, many)


def without_predictions(names: Iterable[str], usual: str) -> str:
    """Advice on files of which none is a prediction: to convert JSON files, or else `usual`."""
    if any(name.endswith(".json") for name in names):
        return f"convert results of COCO: {CONVERT_COMMAND}, or {usual}"
    return usual


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


def _size_text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
