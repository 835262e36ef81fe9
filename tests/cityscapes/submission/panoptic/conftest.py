from pathlib import Path

import pytest

from cityscapes.submission import completeness
from tests.cityscapes import drawn_panoptic_submission


@pytest.fixture
def root(tmp_path: Path) -> Path:
    drawn_panoptic_submission.write_images(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drawn_panoptic_submission.write_all(tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def official_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the images of `root` the official test set."""
    monkeypatch.setattr(completeness, "IMAGE_SIZE", drawn_panoptic_submission.SIZE)
    monkeypatch.setattr(completeness, "_TEST", {"berlin": 2, "bonn": 2})
