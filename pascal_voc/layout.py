"""Folders, lists and splits of Pascal VOC and SBD.

    VOCdevkit/VOC20XX/JPEGImages/<id>.jpg
                      SegmentationClass/<id>.png
                      ImageSets/Segmentation/{train,val,trainval,test}.txt
    benchmark_RELEASE/dataset/{img/<id>.jpg,cls/<id>.mat,train.txt,val.txt}     SBD, next to VOCdevkit

<root> may be the folder that contains VOCdevkit, VOCdevkit itself, or the folder of a year, for example VOC2012. The
tar of 2011 unpacks to TrainVal/VOCdevkit/VOC2011, which is found as well. Derived splits:

    trainaug     VOC train and SBD train and val, without VOC val; the masks of VOC if an image has both
    seg11valid   VOC2011 val without SBD train, in the order of the list (Long et al. 2015)
    sbd_train    lists of SBD
    sbd_val
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from engine.benchmark import Sample
from engine.errors import InputError
from engine.files.content import read_text
from engine.files.folders import find
from engine.findings import grouped

LISTED = ("train", "val", "trainval", "test")
SPLITS = (*LISTED, "trainaug", "seg11valid", "sbd_train", "sbd_val")
HIDDEN = ("test",)

OFFICIAL = {"VOC2012": {"train": 1464, "val": 1449, "trainval": 2913, "test": 1456}, "VOC2011": {"val": 1111}}
"""Year -> split -> number of images for segmentation, as in the lists of the development kit."""
OFFICIAL_DERIVED = {"trainaug": 10_582, "seg11valid": 736, "sbd_train": 8498, "sbd_val": 2857}
"""Split -> number of images, for splits that are not a list of a single year."""
LONGER_SIDE = 500
"""Longer side of nearly all official images, in pixels; no image is larger."""

_SBD_FOLDERS = ("benchmark_RELEASE/dataset", "benchmark/benchmark_RELEASE/dataset", "SBD", "sbd")
_UNPACK = "unpack VOCtrainval_11-May-2012.tar there (see docs/datasets.md)"
_UNPACK_SBD = "unpack SBD's benchmark.tgz next to VOCdevkit (see docs/datasets.md)"
_TEST_TAR = "the test images and their list are in a separate tar, from the evaluation server after registration"


@dataclass(frozen=True)
class Devkit:
    """Folder of a year, and the folders around it."""

    year: Path
    """Path of the folder VOC20XX."""

    def listing(self, split: str) -> Path:
        """Path of the list of a split."""
        return self.year / "ImageSets" / "Segmentation" / f"{split}.txt"

    def sample(self, name: str, *, masked: bool = True) -> Sample:
        """The files of an image."""
        mask = self.year / "SegmentationClass" / f"{name}.png" if masked else None
        return Sample(name, self.year / "JPEGImages" / f"{name}.jpg", mask)

    def of_year(self, name: str) -> "Devkit":
        """The folder of a year, next to this one or this one itself."""
        beside = self.year.parent / name
        unmoved = self.year.absolute().parent.parent / "TrainVal" / "VOCdevkit" / name
        return Devkit(unmoved if unmoved.is_dir() and not beside.is_dir() else beside)

    def sbd(self) -> Path:
        """The folder of SBD, with img, cls and lists.

        Raises:
            InputError: if there is no such folder.
        """
        year = self.year.absolute()
        around = (year.parent.parent, year.parent, year, year.parent.parent.parent)
        folders = [base / folder for base in around for folder in _SBD_FOLDERS]
        for folder in folders:
            if (folder / "cls").is_dir():
                return folder
        raise InputError(f"{folders[0]}: no such folder with SBD's cls/ and lists; {_UNPACK_SBD}")


def find_devkit(root: Path) -> Devkit:
    """The newest year in a root, or the root itself if it is a year.

    Raises:
        InputError: if there is none.
    """
    for folder in (root / "VOCdevkit", root, root / "TrainVal" / "VOCdevkit"):
        years = [path for path in find(folder, "VOC20[0-9][0-9]", levels=0) if (path / "ImageSets").is_dir()]
        if years:
            return Devkit(years[-1])
    if (root / "ImageSets").is_dir():
        return Devkit(root.resolve())
    kind = "it contains neither VOCdevkit/, VOC2012/ nor ImageSets/" if root.is_dir() else "no such folder"
    raise InputError(f"{root}: {kind}; give the folder that contains VOCdevkit/ as --root, or {_UNPACK}")


def samples(root: Path, split: str) -> list[Sample]:
    """The samples of a split, in the order of its list.

    Raises:
        InputError: with everything that the split needs and that does not exist.
    """
    devkit = find_devkit(root)
    if split == "trainaug":
        found = _trainaug(devkit)
    elif split == "seg11valid":
        found = _seg11valid(devkit)
    elif split in ("sbd_train", "sbd_val"):
        found = _sbd(devkit.sbd(), split.removeprefix("sbd_"))
    else:
        remedy = f"{_TEST_TAR}: unpack VOC2012test.tar there" if split == "test" else _UNPACK
        names = read_list(devkit.listing(split), remedy)
        found = [devkit.sample(name, masked=split not in HIDDEN) for name in names]
    return _complete(found)


def official_count(root: Path, split: str) -> int | None:
    """Number of images in the official split; None if it is not known.

    Raises:
        InputError: if there is no development kit.
    """
    return OFFICIAL_DERIVED.get(split) or OFFICIAL.get(find_devkit(root).year.name, {}).get(split)


def read_list(path: Path, remedy: str) -> list[str]:
    """The image ids of a list, the first word of each line.

    Raises:
        InputError: if there is no such list, or with every line that is not an image id or occurs twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such list; {remedy}")
    lines = [line.split() for line in read_text(path).splitlines()]
    names = [line[0] for line in lines if line]
    wrong = [name for name in names if not re.fullmatch(r"\w+", name)]
    if wrong:
        raise InputError(
            *grouped([f"{path}: {name[:40]!r} is not an image id, for example 2007_000032; {remedy}" for name in wrong])
        )
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(*grouped([f"{path}: {name} is listed more than once; {remedy}" for name in doubled]))
    if not names:
        raise InputError(f"{path}: the list is empty; {remedy}")
    return names


def _trainaug(devkit: Devkit) -> list[Sample]:
    train, val = (read_list(devkit.listing(split), _UNPACK) for split in ("train", "val"))
    folder = devkit.sbd()
    excluded = {*train, *val}
    more = [sample for split in ("train", "val") for sample in _sbd(folder, split) if sample.name not in excluded]
    return [*(devkit.sample(name) for name in train), *more]


def _seg11valid(devkit: Devkit) -> list[Sample]:
    """VOC2011 val without SBD train, or the list of that name if it exists."""
    if devkit.listing("seg11valid").is_file():
        return [devkit.sample(name) for name in read_list(devkit.listing("seg11valid"), _UNPACK)]
    year = devkit.of_year("VOC2011")
    val = read_list(
        year.listing("val"),
        "seg11valid is VOC2011 val without SBD train, and the lists of later years differ: unpack "
        f"VOCtrainval_25-May-2011.tar next to them, or write the list of its images to {devkit.listing('seg11valid')}",
    )
    trained = set(read_list(devkit.sbd() / "train.txt", _UNPACK_SBD))
    return [year.sample(name) for name in val if name not in trained]


def _sbd(folder: Path, split: str) -> list[Sample]:
    names = read_list(folder / f"{split}.txt", _UNPACK_SBD)
    return [Sample(name, folder / "img" / f"{name}.jpg", folder / "cls" / f"{name}.mat") for name in names]


def _complete(found: list[Sample]) -> list[Sample]:
    paths = [path for sample in found for path in (sample.image, sample.mask) if path is not None]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        remedy = "the list names it: unpack the images and masks of the same release again"
        raise InputError(*grouped([f"{path}: no such file; {remedy}" for path in missing]))
    return found
