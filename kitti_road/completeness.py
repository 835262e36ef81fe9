"""Check for exactly one prediction, with the right name, for every image of the test set."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import ErrorCollector, InputError
from engine.files.images import image_size
from engine.findings import Finding, counted, fault, note
from kitti_road.labels import CATEGORIES_OF, SETS
from kitti_road.layout import IMAGES, LARGEST, SMALLEST, TEST_IMAGES, Frame, parse, pictured_frames

_PATTERN = "<category>_<task>_<6 digits>.png"


def expected_predictions(root: Path | None) -> dict[str, tuple[str, Frame]]:
    """File name of each prediction that the test set requires -> its set and its frame.

    Args:
        root: data folder with the images; without it, the official images are expected.
    """
    expected: dict[str, tuple[str, Frame]] = {}
    for task, categories in CATEGORIES_OF.items():
        if root is not None:
            frames = pictured_frames(root, "test", task)
        else:
            frames = [
                Frame("testing", name, f"{number:06}") for name in categories for number in range(TEST_IMAGES[name])
            ]
        expected |= {f"{frame.prediction(task)}.png": (f"{frame.category}_{task}", frame) for frame in frames}
    return expected


def sets_of(names: Sequence[str]) -> dict[str, int]:
    """Set -> number of its predictions among file names, sorted by set."""
    return dict(sorted(Counter(found[0] for name in names if (found := parse(name))).items()))


def findings(names: Sequence[str], root: Path | None) -> Iterator[Finding]:
    """Faults and notes about the names; a set with any prediction must have all of its predictions.

    Raises:
        InputError: if there is no test image in `root`.
    """
    expected = expected_predictions(root)
    if not expected:
        raise InputError(f"{root}/testing/{IMAGES}: no test images; unpack data_road.zip again")
    yield from _missing_and_repeated(names, expected)
    yield from _unknown_names(names, expected)
    yield from _absent_sets(sets_of(names))


def _missing_and_repeated(names: Sequence[str], expected: Mapping[str, tuple[str, Frame]]) -> Iterator[Finding]:
    sets, present = sets_of(names), set(names)
    if not sets:
        what = f"got no {_PATTERN}, expected one for each test image"
        yield fault("no predictions", what, "predict the test split first", [])
    missing = [name for name, (of, _) in expected.items() if of in sets and name not in present]
    if missing:
        what = f"got no prediction for {counted(len(missing), 'test image')}, although their sets have others"
        yield fault(
            "missing", what, "predict the whole test split, because the server scores only complete sets", missing
        )
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        yield fault("duplicates", f"got {counted(len(twice), 'name')} more than once", "pack each file once", twice)


def _unknown_names(names: Sequence[str], expected: Collection[str]) -> Iterator[Finding]:
    pngs = [name for name in names if name.lower().endswith(".png")]
    nameless = [name for name in pngs if parse(name) is None]
    if nameless:
        what = f"got {counted(len(nameless), 'PNG')} in a folder, or not named {_PATTERN}"
        yield fault(
            "name", what, "name them like ground truth, for example um_road_000000.png, without folders", nameless
        )
    unknown = [name for name in pngs if parse(name) is not None and name not in expected]
    if unknown:
        what = f"got {counted(len(unknown), 'prediction')} for images outside the test set"
        yield fault("not in the test set", what, "predict the test split, and pack nothing else", unknown)
    others = sorted(set(names) - set(pngs))
    if others:
        what = f"got {counted(len(others), 'file')} of other types than PNG"
        yield note("not a prediction", what, "`python -m kitti_road.submission pack` leaves them out", others)


def _absent_sets(sets: Collection[str]) -> Iterator[Finding]:
    """A note on sets without predictions, which the server will not score."""
    tasks = {name.partition("_")[2] for name in sets}
    absent = [name for name in SETS if name not in sets and name.partition("_")[2] in tasks]
    if absent:
        what = f"got no predictions for {', '.join(absent)}"
        yield note("not submitted", what, "this is fine if they are not meant to be scored", [])


def deviation(names: Sequence[str], root: Path) -> str:
    """Differences between the expected images in a root and the official ones; empty if there are none.

    Args:
        names: file names of predictions; only images of their sets are compared.
        root: the folder data_road.

    Raises:
        InputError: with every image that cannot be read.
    """
    sets = sets_of(names)
    frames = [(of, frame) for of, frame in expected_predictions(root).values() if of in sets]
    numbers = Counter(of for of, _ in frames)
    differing = {of: (numbers[of], TEST_IMAGES[of.partition("_")[0]]) for of in sets}
    parts = [f"got {got} images of {of}, expected {right}" for of, (got, right) in differing.items() if got != right]
    sizes: Counter[tuple[int, int]] = Counter()
    faults = ErrorCollector()
    for frame in {frame for _, frame in frames}:
        with faults.collect():
            sizes[image_size(frame.image(root))] += 1
    faults.raise_if_any()
    odd = {size: number for size, number in sorted(sizes.items()) if not _is_official(size)}
    parts += [f"got {counted(number, 'image')} of {_size_text(size)}" for size, number in odd.items()]
    if odd:
        parts[-1] += f", expected {_size_text(SMALLEST)} to {_size_text(LARGEST)}"
    return "; ".join(parts)


def _is_official(size: tuple[int, int]) -> bool:
    return all(low <= side <= high for low, side, high in zip(SMALLEST, size, LARGEST, strict=True))


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
