"""Pages that the tests of the browser share. Tests must not change them."""

from pathlib import Path

import pytest

from report import command
from tests.report.drawn_runs import Options, draw


def make(folder: Path, options: Options | None) -> Path:
    """Draw runs into a folder, and make their page with the command."""
    page = folder / "report.html"
    if options is None:
        (folder / "saved").mkdir()
        folders = [folder / "saved"]
    else:
        folders = draw(folder, options).folders
    assert command.main([*map(str, folders), "--output", str(page), "--workers", "1"]) == 0
    return page


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of runs of several benchmarks and tasks; one is unfinished."""
    options = Options(runs=4, images=6, tasks=True, camvid=True, unfinished=True)
    return make(tmp_path_factory.mktemp("full"), options)


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of damaged files, and of names and values that are markup and scripts."""
    return make(tmp_path_factory.mktemp("hostile"), Options(runs=1, images=2, pictured=1, damaged=True, hostile=True))


@pytest.fixture(scope="session")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a folder without runs."""
    return make(tmp_path_factory.mktemp("empty"), None)
