"""The folders and file names of CamVid.

11 classes, the layout of the SegNet tutorial; <root> is the folder CamVid or the one above it:

    CamVid/{train,val,test}/<stem>.png         images, 480 x 360
    CamVid/{train,val,test}annot/<stem>.png    masks
    CamVid/{train,val,test}.txt                a line for each pair: image, mask

32 classes, either as released, without a split, or as on Kaggle, with a folder for each split:

    701_StillsRaw_full/<stem>.png              images, 960 x 720
    LabeledApproved_full/<stem>_L.png          masks

    {train,val,test}/<stem>.png
    {train,val,test}_labels/<stem>_L.png
    class_dict.csv                             name,r,g,b; optional
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.benchmark import Sample
from engine.errors import ErrorCollector, InputError
from engine.files.content import read_text
from engine.files.folders import find
from engine.findings import grouped

SPLITS = ("train", "val", "test")

STILLS, LABELED = "701_StillsRaw_full", "LabeledApproved_full"
SHARES = {"train": 367, "val": 101, "test": 233}
"""Number of images in each split, out of 701; random splits have the same numbers as SegNet's."""

_DOWNLOAD = "download it: python -m camvid.download --root data"
_REGISTER = (
    f"unpack {STILLS}.zip and {LABELED}.zip there, or CamVid from Kaggle, which has train/, train_labels/ "
    "and the other splits, and class_dict.csv (docs/datasets.md says where to download them)"
)


def segnet_samples(root: Path, split: str) -> list[Sample]:
    """The image-mask pairs of a split with 11 classes, in the order of its list or, without a list, by name.

    Raises:
        InputError: with everything that is missing.
    """
    base = _base(root, f"{split}annot", "the 11-class CamVid", _DOWNLOAD)
    listing = base / f"{split}.txt"
    pairs = _listed(base, listing) if listing.is_file() else _in_folders(base / split, base / f"{split}annot", "")
    return _checked(pairs, base / split, _DOWNLOAD)


def annotated_samples(root: Path, split: str) -> list[Sample]:
    """The image-mask pairs of a split with 32 classes, by name.

    Raises:
        InputError: with everything that is missing.
    """
    if (released := _released(root)) is not None:
        pairs = _in_folders(released / STILLS, released / LABELED, "_L")
        chosen = random_split([mask.stem for _, mask in pairs], split)
        return _checked([pair for pair in pairs if pair[1].stem in chosen], released / STILLS, _REGISTER)
    base = _base(root, f"{split}_labels", "the 32-class CamVid", _REGISTER)
    return _checked(_in_folders(base / split, base / f"{split}_labels", "_L"), base / split, _REGISTER)


def random_split(stems: list[str], split: str) -> set[str]:
    """The stems in a split; the split is random, but the same on every machine.

    Stems are sorted by their SHA-256; the first 367 out of 701 are train, the next 101 val, the rest test.
    """
    order = sorted(stems, key=lambda stem: hashlib.sha256(stem.encode()).digest())
    begin = sum(SHARES[name] for name in SPLITS[: SPLITS.index(split)])
    all_shares = sum(SHARES.values())
    return set(order[begin * len(order) // all_shares : (begin + SHARES[split]) * len(order) // all_shares])


def _released(root: Path) -> Path | None:
    return next((folder for folder in (root, root / "CamVid") if (folder / STILLS).is_dir()), None)


def _base(root: Path, folder: str, what: str, remedy: str) -> Path:
    """The root or its subfolder CamVid, whichever contains the folder of masks."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder of {what} as --root, or {remedy}")
    for base in (root / "CamVid", root):
        if (base / folder).is_dir():
            return base
    if folder.endswith("annot") and (colored := _colored(root)) is not None:
        raise InputError(
            f"{colored}: got colour masks, as in the release and in CamVid from Kaggle, expected {what} in "
            f"{folder}/; give --benchmark camvid32 to use their 32 classes, or {remedy}"
        )
    raise InputError(f"{root}: no folder {folder}/ or CamVid/{folder}/ in it, expected {what}; {remedy}")


def _colored(root: Path) -> Path | None:
    """The folder with masks of 32 classes, or None."""
    folders = [base / name for base in (root, root / "CamVid") for name in (LABELED, *(f"{s}_labels" for s in SPLITS))]
    return next((folder for folder in folders if folder.is_dir()), None)


def _listed(base: Path, listing: Path) -> list[tuple[Path, Path]]:
    """The image-mask pairs of a list; only the last folder and the name of each path count."""
    pairs, faults = [], []
    for number, line in enumerate(read_text(listing).splitlines(), start=1):
        paths = [base.joinpath(*Path(path.rstrip(";")).parts[-2:]) for path in line.split()]
        if len(paths) == 2:
            pairs.append((paths[0], paths[1]))
        elif paths:
            faults.append(f"{listing}: line {number} is {line[:90]!r}, expected an image and a mask; {_DOWNLOAD}")
    faults += [
        f"{listing}: lists {image.name} {count} times, expected once; {_DOWNLOAD}"
        for image, count in _duplicates(pairs)
    ]
    if faults:
        raise InputError(*grouped(faults))
    return pairs


def _duplicates(pairs: list[tuple[Path, Path]]) -> list[tuple[Path, int]]:
    """The images that a list contains more than once, with their numbers; scores would count them twice."""
    return [(image, count) for image, count in Counter(image for image, _ in pairs).items() if count > 1]


def _in_folders(images: Path, masks: Path, suffix: str) -> list[tuple[Path, Path]]:
    """The pair of each image or mask in two folders, even if its counterpart does not exist."""
    faults = ErrorCollector()
    stems: set[str] = set()
    for folder, ending in ((images, ""), (masks, suffix)):
        with faults.collect():
            stems.update(_stems(folder, ending))
    faults.raise_if_any()
    return [(images / f"{stem}.png", masks / f"{stem}{suffix}.png") for stem in sorted(stems)]


def _stems(folder: Path, suffix: str) -> Iterator[str]:
    for path in find(folder, f"*{suffix}.png", levels=0):
        yield path.stem.removesuffix(suffix)


def _checked(pairs: list[tuple[Path, Path]], folder: Path, remedy: str) -> list[Sample]:
    """The pairs as samples.

    Raises:
        InputError: if there are none, and for every file that does not exist.
    """
    if not pairs:
        raise InputError(f"{folder}: no PNG images in it; {remedy}")
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise InputError(*grouped([f"{path}: no such file; unpack CamVid again, or {remedy}" for path in missing]))
    return [Sample(image.stem, image, mask) for image, mask in pairs]
