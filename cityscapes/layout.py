"""The folders and file names of Cityscapes.

    <root>/leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png
    <root>/gtFine/<split>/<city>/<stem>_gtFine_{polygons.json,labelIds.png,instanceIds.png,...}
    <root>/gtCoarse/...                the same with coarse polygons, and a split train_extra
    <root>/generated_gt/<split>/<city>/<stem>_{labelId,trainId,color}.png
    <root>/generated_gtCoarse/...      the same, from gtCoarse

A stem names one scene: `aachen_000000_000019` is city, sequence and frame.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError
from engine.files.folders import find

SPLITS = ("train", "val", "test")
IMAGE_SIZE = (2048, 1024)
"""Width and height of every official image in pixels."""

IMAGES = "leftImg8bit"
ANNOTATIONS = "gtFine"
COARSE = "gtCoarse"
GENERATED = "generated_gt"
GENERATED_FROM = {ANNOTATIONS: GENERATED, COARSE: "generated_gtCoarse"}
"""Folder of annotations -> folder of the masks drawn from them; train and val have both kinds of annotations."""

COARSE_PREFIX = "coarse_"
COARSE_SPLITS = tuple(f"{COARSE_PREFIX}{split}" for split in ("train", "train_extra", "val"))
"""Names of the splits with masks of gtCoarse instead of gtFine; images of train_extra have no other masks."""

_FRAME = re.compile(r"[^_]+_\d{6}_\d{6}")
_FRAME_INSIDE = re.compile(r"(?<![^_\W])(?<![^_\W]-)[^_\W]++(?:-[^_\W]++)*+_\d{6}_\d{6}")
"""`<city>_<6 digits>_<6 digits>` anywhere in a name.

Matching takes linear time, because cities match only from their beginnings, and possessively.
"""


@dataclass(frozen=True)
class MaskPaths:
    """Paths of the masks of one annotated image."""

    official_prefix: Path
    """Start of the paths of its official files: .../aachen_000000_000019_gtFine."""
    generated_prefix: Path
    """Start of the paths of its masks from `generate_gt.py`: .../aachen_000000_000019."""

    def official_mask(self, kind: str) -> Path:
        """The path of a mask next to the polygons; kind is labelIds, instanceIds, labelTrainIds or color."""
        return self.official_prefix.with_name(f"{self.official_prefix.name}_{kind}.png")

    def generated_mask(self, kind: str) -> Path:
        """The path of a mask from `generate_gt.py`; kind is labelId, trainId, color or instanceId."""
        return self.generated_prefix.with_name(f"{self.generated_prefix.name}_{kind}.png")


class Scene(NamedTuple):
    """One scene, which has an image, an annotation or both, and the paths of its files below a root folder."""

    split: str
    city: str
    """Name of the folder with the files."""
    stem: str

    def image(self, root: Path) -> Path:
        """The path of the photograph."""
        return self._file(root, IMAGES, f"_{IMAGES}.png")

    def polygons(self, root: Path, annotations: str = ANNOTATIONS) -> Path:
        """The path of the polygon file."""
        return self._file(root, annotations, f"_{annotations}_polygons.json")

    def official_mask(self, root: Path, kind: str, annotations: str = ANNOTATIONS) -> Path:
        """The path of a mask next to the polygons, see `MaskPaths.official_mask`."""
        return self.mask_paths(root, annotations).official_mask(kind)

    def generated_mask(self, root: Path, kind: str, annotations: str = ANNOTATIONS) -> Path:
        """The path of a mask from `generate_gt.py`, see `MaskPaths.generated_mask`."""
        return self.mask_paths(root, annotations).generated_mask(kind)

    def mask_paths(self, root: Path, annotations: str = ANNOTATIONS) -> MaskPaths:
        """The paths of the masks that belong to one kind of annotation."""
        return MaskPaths(
            official_prefix=self._file(root, annotations, f"_{annotations}"),
            generated_prefix=self._file(root, GENERATED_FROM[annotations], ""),
        )

    def _file(self, root: Path, folder: str, suffix: str) -> Path:
        return root / folder / self.split / self.city / f"{self.stem}{suffix}"


def scenes_with_image(root: Path, split: str) -> list[Scene]:
    """The scenes of a split that have an image, sorted; empty if there is none."""
    return _scenes(root, IMAGES, split, f"_{IMAGES}.png")


def scenes_with_polygons(root: Path, split: str, annotations: str = ANNOTATIONS) -> list[Scene]:
    """The scenes of a split that have polygons, sorted; empty if there is none."""
    return _scenes(root, annotations, split, f"_{annotations}_polygons.json")


def scenes_with_label_ids(root: Path, split: str, annotations: str = ANNOTATIONS) -> list[Scene]:
    """The scenes of a split that have the official label-id mask, sorted; empty if there is none."""
    return _scenes(root, annotations, split, f"_{annotations}_labelIds.png")


def scenes_with_instance_ids(root: Path, split: str) -> list[Scene]:
    """The scenes of a split that have the official instance-id mask, sorted; empty if there is none."""
    return _scenes(root, ANNOTATIONS, split, f"_{ANNOTATIONS}_instanceIds.png")


def scenes_with_annotation(root: Path, split: str, annotations: str = ANNOTATIONS) -> list[Scene]:
    """The scenes of a split that have polygons or any of the official masks of ids, sorted; empty if there is none."""
    kinds = ("polygons.json", "labelIds.png", "instanceIds.png")
    return sorted({scene for kind in kinds for scene in _scenes(root, annotations, split, f"_{annotations}_{kind}")})


def scenes_with_generated_mask(root: Path, split: str, annotations: str = ANNOTATIONS) -> list[Scene]:
    """The scenes of a split that have a mask of train ids from `generate_gt.py`, sorted; empty if there is none."""
    return _scenes(root, GENERATED_FROM[annotations], split, "_trainId.png")


def _scenes(root: Path, folder: str, split: str, suffix: str) -> list[Scene]:
    """The scenes of the files in the city folders of a split.

    Raises:
        InputError: for every folder that cannot be listed.
    """
    paths = find(root / folder / split, f"*{suffix}", levels=1)
    return sorted(Scene(split, path.parent.name, path.name.removesuffix(suffix)) for path in paths)


def frame_of(name: str) -> str | None:
    """The official stem that a file name starts with (`<city>_<6 digits>_<6 digits>`), or None.

    The evaluation server uses it to find the image that a prediction belongs to.
    """
    match = _FRAME.match(name)
    return match.group() if match else None


def stem_in(name: str) -> str:
    """Stem of the image anywhere in the name of a file; empty if there is none."""
    found = _FRAME_INSIDE.search(re.split(r"[/\\]", name)[-1])
    return found.group() if found else ""


def require_root(root: Path) -> None:
    """Check that a folder has the layout of Cityscapes.

    Raises:
        InputError: if it does not, with a remedy.
    """
    remedy = "or draw a synthetic set: python -m cityscapes.demo --root data/demo"
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; give the folder that has {IMAGES}/ and {ANNOTATIONS}/ as --root, {remedy}"
        )
    if not any((root / folder).is_dir() for folder in (IMAGES, ANNOTATIONS, COARSE)):
        raise InputError(
            f"{root}: neither {IMAGES}/ nor {ANNOTATIONS}/ in it; unpack leftImg8bit_trainvaltest.zip and "
            f"gtFine_trainvaltest.zip (cityscapes-dataset.com) there, {remedy}"
        )
