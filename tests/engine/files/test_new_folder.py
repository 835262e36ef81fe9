"""New folders, which are complete or not there."""

from os import getppid
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.atomic import remove_all_unfinished
from engine.files.new_folder import complete_folder, require_new


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    new = tmp_path / "new"
    with complete_folder(new) as part:
        (part / "a.txt").write_text("a")
        assert not new.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert [path.name for path in new.iterdir()] == ["a.txt"]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    require_new(tmp_path / "old", tmp_path / "new")
    with complete_folder(tmp_path / "new"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    left, other, running = (
        tmp_path / f".{name}.part" for name in (f"new.{1 << 30}", f"b.{1 << 30}", f"new.{getppid()}")
    )
    for part in (left, other, running):
        part.mkdir()
        (part / "a.txt").write_text("a")
    with complete_folder(tmp_path / "new"):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([other, running, tmp_path / "new"])
    remove_all_unfinished(tmp_path)
    assert other.exists(), "folders are removed only with their name"


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught, complete_folder(tmp_path / "new") as part:  # noqa: PT012
        (part / "a.txt").write_text("a")
        raise InputError(f"{part}/b.txt: cannot write it")
    assert str(caught.value) == f"{tmp_path}/new/b.txt: cannot write it"
    assert list(tmp_path.iterdir()) == []


def test_existing_files_and_sources_are_never_changed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.txt").write_text("a")
    with pytest.raises(InputError, match="old: already exists; choose a new folder"):
        require_new(tmp_path / "other", tmp_path / "old")
    with pytest.raises(InputError, match=r"a\.txt: already exists; choose a new folder"):
        require_new(tmp_path / "other", tmp_path / "old" / "a.txt")
    with pytest.raises(InputError, match="old, which is only read; choose a new folder outside it"):
        require_new(tmp_path / "old", tmp_path / "old" / "new")
