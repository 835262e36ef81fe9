from pathlib import Path

import pytest

from bench.__main__ import main


def test_the_loader_bench_needs_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loader", "--samples", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "no real images to load" in capsys.readouterr().err
