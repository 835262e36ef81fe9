import os
from pathlib import Path

import pytest

from cityscapes import ground_truth, worklist
from cityscapes.demo import DemoOptions, draw_dataset

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic Cityscapes with its ground truth drawn; tests must not change it."""
    root = tmp_path_factory.mktemp("demo")
    draw_dataset(root, DemoOptions(train=4, val=3, test=2))
    ground_truth.generate(worklist.of_root(root), ground_truth.Recipe(), workers=1)
    return root


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real samples; tests must not change it."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs real samples in {folder}; set SEGMENTATION_DATA to a folder that has them")
    return folder
