"""Search for files, in which unreadable folders are errors."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from engine.files.folders import can_exist, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.txt", ".c.png", "city/d.png", "city/.e/f.png", "city/deep/g.png", "other/h.PNG"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "i.png").write_text("i")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "data"


def names(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_names_and_depths(folder: Path) -> None:
    assert names(folder, find(folder, "*.png", levels=0)) == ["a.png"]
    assert names(folder, find(folder, "*.png", levels=1)) == ["city/d.png", "linked/i.png"]
    assert names(folder, find(folder, "*.png")) == ["a.png", "city/d.png", "city/deep/g.png"]
    assert names(folder, find(folder, "?.png", hidden=True)) == [
        "a.png",
        "city/.e/f.png",
        "city/d.png",
        "city/deep/g.png",
    ]
    assert names(folder, find(folder, "[e-z]*", levels=0)) == ["linked", "other"]


def test_a_cycle_of_links_is_followed_once(folder: Path) -> None:
    (folder / "city" / "circle").symlink_to(folder)
    assert len(find(folder, "*.png")) == 3


def test_a_missing_folder_has_no_files(folder: Path) -> None:
    assert find(folder / "nothing", "*") == []
    assert find(folder / "a.png", "*") == []


def test_every_folder_that_cannot_be_listed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name in ("city", "linked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError) as raised:
        find(folder, "*.png", levels=1)
    assert [message.split(": ")[1] for message in raised.value.messages] == [
        "cannot list this folder (Permission denied); make it readable, or move it away"
    ] * 2
    assert [Path(message.split(": ")[0]).name for message in raised.value.messages] == ["city", "linked"]


@pytest.mark.parametrize(
    ("path", "possible"),
    [
        ("a/b.png", True),
        ("", True),
        (f"münster/{'a' * 255}", True),
        ("a" * 256, False),
        ("ü" * 128, False),
        ("a\0b", False),
        ("a/\ud800.png", False),
    ],
)
def test_names_that_a_file_can_have(path: str, possible: bool) -> None:
    assert can_exist(path) == possible
