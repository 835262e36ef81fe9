"""Folders and files that cannot be read: the reason is reported, and nothing is left out."""

import contextlib
import errno
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cityscapes.submission import archive_reader, main
from engine.files import archives
from engine.files.content import naming, read_bytes
from tests.cityscapes.drawn_submission import LABEL_IDS, STEMS, CheckErrors, png, prediction, zipped


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Folders that cannot be listed."""
    folders: set[Path] = set()
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) in folders:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return folders


def test_a_folder_of_predictions_that_cannot_be_listed(
    folder: Path, root: Path, tmp_path: Path, unreadable: set[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    unreadable |= {folder / "berlin", folder / "bonn"}
    for action in (["check", folder], ["pack", folder, tmp_path / "a.zip"], ["fix", folder, tmp_path / "new"]):
        assert main([*map(str, action), "--root", str(root), "--workers", "1"]) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"error: {folder / city}: cannot list this folder (Permission denied); make it readable, or move it away"
            for city in ("berlin", "bonn")
        ]
    assert {path.name for path in tmp_path.iterdir()} == {"data", "results"}


def test_a_city_of_the_test_set_that_cannot_be_listed(
    folder: Path, root: Path, tmp_path: Path, unreadable: set[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The predictions would be complete for the other city alone."""
    for stem in STEMS[:3]:
        prediction(folder, stem).unlink()
    unreadable.add(root / "leftImg8bit/test/berlin")
    for action in (["check", folder], ["pack", folder, tmp_path / "a.zip"], ["fix", folder, tmp_path / "new"]):
        assert main([*map(str, action), "--root", str(root), "--workers", "1"]) == 2
        assert f"error: {root}/leftImg8bit/test/berlin: cannot list this folder" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"data", "results"}


def test_pipes_broken_links_and_unreadable_files(
    folder: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stem in STEMS[:2]:
        prediction(folder, stem).unlink()
    os.mkfifo(prediction(folder, STEMS[0]))
    prediction(folder, STEMS[1]).symlink_to("nothing")

    def fail(path: Path) -> bytes:
        if path == prediction(folder, STEMS[2]):
            with naming(path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_bytes(path)

    monkeypatch.setattr(archive_reader, "read_bytes", fail)
    names = [prediction(Path(), stem) for stem in STEMS]
    (line,) = errors()
    assert line == (
        f"damaged: got 3 files that cannot be decoded ({names[0]}: got a named pipe, expected a file; give a regular "
        f"file, {names[1]}: no such file, {names[2]}: cannot read it (Input/output error); check its permissions and "
        "the disk); write or copy them again"
    )


def test_a_zip_on_a_failing_disk(
    folder: Path, tmp_path: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(folder, tmp_path / "made.zip")

    @contextlib.contextmanager
    def reading(path: Path) -> Iterator[None]:
        with naming(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield

    monkeypatch.setattr(archives, "reading", reading)
    assert errors(archive) == ["cannot read it (Input/output error); check its permissions and the disk"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_many_files_of_one_name_are_read_and_reported_quickly(
    tmp_path: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(1000):
            packed.writestr(f"{STEMS[0]}.png", png(LABEL_IDS) if number == 0 else b"")
    opened = []
    usual = archive_reader._open_zip
    monkeypatch.setattr(archive_reader, "_open_zip", lambda source: opened.append(source) or usual(source))  # type: ignore[func-returns-value]
    lines = errors(archive)
    assert any("(berlin_000000_000019.png and berlin_000000_000019.png and 998 more);" in line for line in lines)
    assert max(map(len, lines)) < 1000
    assert len(opened) <= 9


def test_names_in_messages_are_short_and_printable(
    folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(f"{'a' * 60_000}_000000_000019.png", png(LABEL_IDS))
        packed.writestr("\x1b[31m\u202e/" + "n" * 60_000 + ".png", png(LABEL_IDS))
        packed.writestr("\x1b[31m.txt", b"")
    assert main(["check", str(archive), "--root", str(root), "--workers", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) < 1500
    assert all(line.isprintable() for line in lines)
    assert "(\\x1b[31m.txt)" in lines[0]
