"""Images and ground truth in a data folder, with which predictions are compared before they are fixed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from cityscapes.layout import IMAGE_SIZE, SPLITS, Scene, require_root, scenes_with_image, scenes_with_label_ids
from cityscapes.official_counts import SPLIT_OF
from cityscapes.submission.completeness import Size
from engine.files.images import image_size


class DataFolder:
    """Images and ground truth in a data folder, of all splits; empty without a data folder."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self._images: dict[str, Scene] = {}
        self._masks: dict[str, Scene] = {}
        if root is not None:
            require_root(root)
            for split in SPLITS:
                self._images |= {scene.stem: scene for scene in scenes_with_image(root, split)}
                self._masks |= {scene.stem: scene for scene in scenes_with_label_ids(root, split)}

    def mask(self, stem: str) -> Path | None:
        """The official label-id mask of an image; None if it does not exist."""
        scene = self._masks.get(stem)
        return scene.official_mask(self.root, "labelIds") if self.root and scene else None

    def file_with_size(self, stem: str) -> Path | None:
        """A file with the size of an image: the image or its mask; None if neither exists."""
        scene = self._images.get(stem)
        return scene.image(self.root) if self.root and scene else self.mask(stem)

    def size(self, stem: str) -> Size:
        """Width and height of an image; the official ones if the folder has neither the image nor its mask.

        Raises:
            InputError: if the image cannot be read.
        """
        path = self.file_with_size(stem)
        return image_size(path) if path else IMAGE_SIZE


def split_of(stems: Iterable[str]) -> str:
    """The split of most images, according to their cities; unknown cities count as test."""
    splits = Counter(SPLIT_OF.get(stem.split("_", maxsplit=1)[0], "test") for stem in stems)
    return splits.most_common(1)[0][0]
