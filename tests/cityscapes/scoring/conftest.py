from pathlib import Path

import numpy as np
import pytest

from cityscapes.layout import Scene
from engine.files.images import write_png
from tests.cityscapes.drawn_predictions import Folder, patches


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight scenes in data/, and predictions in good/ and bad/ with different shares of wrong pixels."""
    rng = np.random.default_rng(1)
    for number in range(8):
        scene = Scene("val", "ulm", f"ulm_{number:06}_000019")
        label_ids = patches(rng, (40, 64), share=0.9)
        write_png(scene.official_mask(tmp_path / "data", "labelIds"), label_ids)
        write_png(scene.official_mask(tmp_path / "data", "instanceIds"), label_ids.astype(np.uint16))
        for name, wrong in (("good", 0.1), ("bad", 0.4)):
            noise = rng.random(label_ids.shape) < wrong
            write_png(tmp_path / name / f"{scene.stem}.png", np.where(noise, 7, label_ids).astype(np.uint8))
    return tmp_path
