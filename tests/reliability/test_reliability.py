"""A sample of `make torture`: all classes of disturbances, and all parsers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import REPOSITORY


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of a small share, from a new process, because threads of torch would not survive a fork."""
    path = tmp_path_factory.mktemp("torture") / "torture.json"
    words = ["-m", "tests.reliability", "--share", "0.002", "--workers", "2", "--output", str(path)]
    done = subprocess.run([sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert path.is_file(), done.stdout + done.stderr
    return json.loads(path.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["faults", "kills", "flips", "fuzz", "hostile"])
def test_every_case_is_answered_well(record: dict[str, Any], kind: str) -> None:
    tried = record["classes"][kind]
    assert tried["cases"] > 5
    assert tried["bad"] == []


def test_the_record_names_no_folder_of_this_machine(record: dict[str, Any], tmp_path: Path) -> None:
    assert str(tmp_path.parents[2]) not in json.dumps(record)
    assert str(REPOSITORY) not in json.dumps(record)
