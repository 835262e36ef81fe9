from pathlib import Path

import pytest

from tests.cityscapes.programs import drawn


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`data`, a drawn Cityscapes, in a new working folder; the commands of the pages name it like this."""
    monkeypatch.chdir(tmp_path)
    return drawn.write_root(Path("data"))
