"""Is there exactly one prediction for every image of the test set, under the right name?"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import InputError
from engine.findings import Finding, counted, fault, note
from kitti_road.labels import CATEGORIES_OF, SETS
from kitti_road.layout import IMAGES, TESTED, Frame, parse, pictured_frames

_PATTERN = "<category>_<task>_<6 digits>.png"


def tested(root: Path | None) -> dict[str, tuple[str, Frame]]:
    """File name of each prediction that the test set asks for -> its set and its frame.

    Args:
        root: ask for the images below it; without it for the official ones.
    """
    wanted: dict[str, tuple[str, Frame]] = {}
    for task, categories in CATEGORIES_OF.items():
        if root is not None:
            frames = pictured_frames(root, "test", task)
        else:
            frames = [Frame("testing", name, f"{number:06}") for name in categories for number in range(TESTED[name])]
        wanted |= {f"{frame.prediction(task)}.png": (f"{frame.category}_{task}", frame) for frame in frames}
    return wanted


def sets_of(names: Sequence[str]) -> dict[str, int]:
    """Set -> the number of its predictions among file names, sorted."""
    return dict(sorted(Counter(found[0] for name in names if (found := parse(name))).items()))


def findings(names: Sequence[str], root: Path | None) -> Iterator[Finding]:
    """Every fault and note that follows from the names; a set with any prediction must have all.

    Raises:
        InputError: if there is no test image below `root`.
    """
    wanted = tested(root)
    if not wanted:
        raise InputError(f"{root}/testing/{IMAGES}: no image of the test set; unpack data_road.zip again")
    yield from _attendance(names, wanted)
    yield from _strangers(names, wanted)
    yield from _completeness(sets_of(names), Counter(name for name, _ in wanted.values()))


def _attendance(names: Sequence[str], wanted: Mapping[str, tuple[str, Frame]]) -> Iterator[Finding]:
    sets, present = sets_of(names), set(names)
    if not sets:
        what = f"got no {_PATTERN}, expected one for each test image"
        yield fault("no predictions", what, "predict the test split first", [])
    missing = [name for name, (of, _) in wanted.items() if of in sets and name not in present]
    if missing:
        what = f"got no prediction of {counted(len(missing), 'test image')}, whose sets have others"
        yield fault("missing", what, "predict the whole test split; the server scores whole sets only", missing)
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        yield fault("duplicates", f"got {counted(len(twice), 'name')} more than once", "pack each file once", twice)


def _strangers(names: Sequence[str], wanted: Collection[str]) -> Iterator[Finding]:
    pngs = [name for name in names if name.lower().endswith(".png")]
    nameless = [name for name in pngs if parse(name) is None]
    if nameless:
        what = f"got {counted(len(nameless), 'PNG')} with another name than {_PATTERN}, or in a folder"
        yield fault("name", what, "name them as ground truth would be, um_road_000000.png, without folders", nameless)
    unknown = [name for name in pngs if parse(name) is not None and name not in wanted]
    if unknown:
        what = f"got {counted(len(unknown), 'prediction')} of images that the test set lacks"
        yield fault("not in the test set", what, "predict the test split, and pack nothing else", unknown)
    others = sorted(set(names) - set(pngs))
    if others:
        what = f"got {counted(len(others), 'file')} beside the PNGs"
        yield note("no prediction", what, "`python -m kitti_road.submission pack` leaves them out", others)


def _completeness(sets: Collection[str], wanted: Mapping[str, int]) -> Iterator[Finding]:
    """Notes on what the server's tables will lack."""
    tasks = {name.partition("_")[2] for name in sets}
    absent = [name for name in SETS if name not in sets and name.partition("_")[2] in tasks]
    if absent:
        what = f"got no prediction of {', '.join(absent)}"
        yield note("not handed in", what, "fine if they are not meant to be scored", [])
    short = [name for name in sets if wanted.get(name, 0) < TESTED[name.partition("_")[0]]]
    if short:
        what = f"got fewer test images in the data folder than the official set has, for {', '.join(short)}"
        yield note("part of the test set", what, "the server will not score them; unpack data_road.zip whole", [])
