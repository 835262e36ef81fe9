"""Images for benches: real or drawn scenes, and toy images in the layout of CamVid."""

from pathlib import Path

import numpy as np

from cityscapes.demo import DemoOptions, draw_dataset
from cityscapes.layout import scenes_with_image
from engine.files.atomic import write_text
from engine.files.images import write_png

CAMVID_CLASSES = 11


def find(samples: Path, work: Path, size: tuple[int, int]) -> tuple[Path, str]:
    """Find images to predict, or draw some.

    Args:
        samples: folder that may contain real scenes in cityscapes/.
        work: folder to draw scenes in, if there are no real ones.
        size: height and width of drawn scenes.

    Returns:
        A Cityscapes root with scenes in val, and a description of them in words.
    """
    real = samples / "cityscapes"
    if next(iter(scenes_with_image(real, "val")), None) is not None:
        return real, "real scenes of 2048x1024"
    drawn = work / f"scenes-{size[0]}x{size[1]}"
    if next(iter(scenes_with_image(drawn, "val")), None) is None:
        draw_dataset(drawn, DemoOptions(width=size[1], height=size[0], train=0, val=2, test=0))
    return drawn, f"drawn scenes of {size[1]}x{size[0]}, because no real ones were found"


def draw_camvid(root: Path, size: tuple[int, int], *, train: int = 16, val: int = 4, test: int = 4) -> None:
    """Draw random blocks of all classes and void in the layout of the 11-class CamVid."""
    random = np.random.default_rng(0)
    height, width = size
    colors = random.integers(0, 256, (CAMVID_CLASSES + 1, 3))
    for split, count in (("train", train), ("val", val), ("test", test)):
        base, names = root / "CamVid", [f"toy_{split}_{number:03}.png" for number in range(count)]
        for name in names:
            coarse = random.integers(0, CAMVID_CLASSES + 1, (-(-height // 16), -(-width // 16)), np.uint8)
            mask = coarse.repeat(16, 0).repeat(16, 1)[:height, :width]
            image = colors[mask] + random.integers(-20, 21, (height, width, 1))
            write_png(base / split / name, image.clip(0, 255).astype(np.uint8))
            write_png(base / f"{split}annot" / name, np.ascontiguousarray(mask))
        lines = [f"/CamVid/{split}/{name} /CamVid/{split}annot/{name}\n" for name in names]
        write_text(base / f"{split}.txt", "".join(lines))
