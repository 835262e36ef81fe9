from pathlib import Path

import numpy as np
import pytest

from cityscapes.submission import completeness, main
from tests.cityscapes.drawn_submission import LABEL_IDS, SIZE, STEMS, CheckErrors, prediction, save


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for stem in STEMS:
        city = stem.split("_", maxsplit=1)[0]
        save(tmp_path / "data/leftImg8bit/test" / city / f"{stem}_leftImg8bit.png", np.zeros((16, 32, 3), np.uint8))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in STEMS:
        save(prediction(tmp_path / "results", stem), LABEL_IDS)
    return tmp_path / "results"


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the images of `root` the official test set."""
    monkeypatch.setattr(completeness, "IMAGE_SIZE", SIZE)
    monkeypatch.setattr(completeness, "_TEST", {"berlin": 3, "bonn": 3})


@pytest.fixture
def errors(root: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> CheckErrors:
    def run(path: Path = folder, *, with_root: bool = True) -> list[str]:
        options = ["--root", str(root)] if with_root else []
        assert main(["check", str(path), "--workers", "1", *options]) == 2
        printed = capsys.readouterr()
        assert not printed.out
        lines = printed.err.splitlines()
        assert all(line.startswith((f"error: {path}: ", f"warning: {path}: ")) for line in lines)
        return [line.partition(f"{path}: ")[2] for line in lines if line.startswith("error")]

    return run
