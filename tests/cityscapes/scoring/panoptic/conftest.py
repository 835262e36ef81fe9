from pathlib import Path

import pytest

from tests.cityscapes.drawn_panoptic import PanopticFolder, perfect


@pytest.fixture
def folder(tmp_path: Path) -> PanopticFolder:
    return PanopticFolder(tmp_path)


@pytest.fixture
def predicted(folder: PanopticFolder) -> PanopticFolder:
    """Two scenes with perfect predictions."""
    for number in range(2):
        folder.add(number, perfect)
    return folder
