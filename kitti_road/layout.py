"""Folders and file names of KITTI Road.

    <root>/training/image_2/<category>_<number>.png
    <root>/training/gt_image_2/<category>_<task>_<number>.png
    <root>/training/calib/<category>_<number>.txt
    <root>/testing/{image_2,calib}/...                           as in training

Categories are um, umm and uu; tasks are road and lane. Numbers have six digits and start at 000000 in each category.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError
from engine.files.folders import find
from kitti_road.labels import CATEGORIES_OF, SETS

TRAINING, TESTING = "training", "testing"
TEST_IMAGES = {"um": 96, "umm": 94, "uu": 100}
"""Category -> number of official test images."""
TRAINING_IMAGES = {"um": 95, "umm": 96, "uu": 98}
"""Category -> number of official training images."""
SMALLEST, LARGEST = (1224, 370), (1242, 376)
"""Minimum and maximum width and height of official images, in pixels."""

IMAGES = "image_2"
TRUTHS = "gt_image_2"
CALIBRATIONS = "calib"

_FRAME = re.compile(r"(umm|um|uu)_(\d{6})\.png")
_PREDICTION = re.compile(rf"({'|'.join(SETS)})_(\d{{6}})\.png")
_BLOCK = 5


class Frame(NamedTuple):
    """One image, and the paths of its files in a root folder."""

    part: str
    """Folder of the frame: training or testing."""
    category: str
    """Category of the frame: um, umm or uu."""
    number: str
    """Number of the frame within its category, as six digits."""

    @property
    def stem(self) -> str:
        """Name of the image without suffix."""
        return f"{self.category}_{self.number}"

    def prediction(self, task: str) -> str:
        """Name of its ground truth and of its predictions, without suffix."""
        return f"{self.category}_{task}_{self.number}"

    def image(self, root: Path) -> Path:
        """Path of the image."""
        return root / self.part / IMAGES / f"{self.stem}.png"

    def truth(self, root: Path, task: str) -> Path:
        """Path of the ground truth of a task."""
        return root / self.part / TRUTHS / f"{self.prediction(task)}.png"

    def calibration(self, root: Path) -> Path:
        """Path of the camera calibration."""
        return root / self.part / CALIBRATIONS / f"{self.stem}.txt"


def pictured_frames(root: Path, split: str, task: str) -> list[Frame]:
    """The frames of a split that have an image, in the categories of a task, sorted."""
    part = TESTING if is_hidden(split) else TRAINING
    names = [match for path in find(root / part / IMAGES, "*.png", levels=0) if (match := _FRAME.fullmatch(path.name))]
    frames = sorted(Frame(part, *match.groups()) for match in names)
    return [frame for frame in frames if frame.category in CATEGORIES_OF[task] and _belongs_to(frame, split)]


def labelled_frames(root: Path, split: str, task: str) -> list[Frame]:
    """The frames of a split that have the ground truth of a task, sorted."""
    names = [name for path in find(root / "training" / TRUTHS, "*.png", levels=0) if (name := parse(path.name))]
    categories = {f"{category}_{task}": category for category in CATEGORIES_OF[task]}
    frames = sorted(Frame("training", categories[of], number) for of, number in names if of in categories)
    return [frame for frame in frames if _belongs_to(frame, split)]


def official_number(split: str, category: str) -> int:
    """Number of frames of a category in an official split with ground truth."""
    frames = [Frame(TRAINING, category, f"{number:06}") for number in range(TRAINING_IMAGES[category])]
    return sum(_belongs_to(frame, split) for frame in frames)


def parse(name: str) -> tuple[str, str] | None:
    """The set and the number in the file name of a prediction or ground truth, or None if it is neither."""
    match = _PREDICTION.fullmatch(name)
    return (match[1], match[2]) if match else None


def splits(task: str) -> tuple[str, ...]:
    """Splits of a task. If it has several categories, the test images of each are also a split, as on the server."""
    categories = CATEGORIES_OF[task]
    return ("train", "val", "test", *(f"test_{category}" for category in categories if len(categories) > 1))


def is_hidden(split: str) -> bool:
    """Whether only the server has the ground truth of a split."""
    return split.startswith("test")


def _belongs_to(frame: Frame, split: str) -> bool:
    if is_hidden(split):
        return split in ("test", f"test_{frame.category}")
    return split == TRAINING or (split == "val") == is_validation(frame)


def is_validation(frame: Frame) -> bool:
    """Whether a training frame belongs to val: one in every five consecutive frames, chosen by a hash.

    It depends only on category and number, not on other files or on the task.
    """
    block, place = divmod(int(frame.number), _BLOCK)
    drawn = hashlib.sha256(f"road {frame.category} {block}".encode()).digest()
    return place == int.from_bytes(drawn[:8], "big") % _BLOCK


def require_root(root: Path) -> None:
    """Check that a folder looks like a KITTI Road root.

    Raises:
        InputError: if it does not, with a remedy.
    """
    if (root / "training").is_dir() or (root / "testing").is_dir():
        return
    inner = root / "data_road"
    if inner.is_dir():
        raise InputError(f"{root}: it contains data_road/, but neither training/ nor testing/; give --root {inner}")
    what = "it contains neither training/ nor testing/" if root.is_dir() else "no such folder"
    raise InputError(
        f"{root}: {what}; unpack data_road.zip (cvlibs.net/datasets/kitti/eval_road.php) and give its folder "
        "data_road as --root"
    )
