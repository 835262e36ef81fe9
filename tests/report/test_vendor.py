"""The bundled chart library: unchanged files, named with their versions and licences."""

import hashlib
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "report/assets/vendor"
FILES = {
    "d3.min.js": ("912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1", "7.9.2"),
    "plot.umd.min.js": ("4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb", "0.6.17"),
}
"""File -> SHA-256 in the package that vendor/README.md names, and its version."""


@pytest.mark.parametrize("name", FILES)
def test_a_bundled_file_is_that_of_its_package(name: str) -> None:
    digest, version = FILES[name]
    content = (VENDOR / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    assert f"v{version} Copyright" in content[:200].decode()
    assert f"{version} ({name})" in (VENDOR / "LICENSES.txt").read_text()
    row = next(line for line in (VENDOR / "README.md").read_text().splitlines() if line.startswith(f"| `{name}` |"))
    assert version in row
