import stat
import zipfile
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.archives import write_zip

FILES = [("b/2.png", b"two"), ("a/1.png", b"one" * 1000)]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("x.zip", "y.zip"):
        write_zip(tmp_path / name, FILES)
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip") as packed:
        assert [(name, packed.read(name)) for name in packed.namelist()] == FILES
        for info in packed.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.compress_type == zipfile.ZIP_STORED
            assert (info.create_system, stat.filemode(info.external_attr >> 16)) == (3, "-rw-r--r--")


@pytest.mark.parametrize(
    ("method", "found", "message"),
    [
        ("testzip", "b/2.png", "b/2.png is damaged when it is read back"),
        ("namelist", ["a"], "its listing is damaged when it is read back"),
    ],
)
def test_a_zip_that_is_damaged_when_read_back_replaces_nothing(
    method: str, found: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, about = tmp_path / "x.zip", tmp_path / "x.zip.json"
    for path in (archive, about):
        path.write_bytes(b"older")
    monkeypatch.setattr(zipfile.ZipFile, method, lambda _: found)
    with pytest.raises(InputError, match=message):
        write_zip(archive, FILES, complete=lambda _: about.unlink())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "x.zip": b"older",
        "x.zip.json": b"older",
    }


def test_the_complete_zip_can_be_read_before_it_gets_its_name(tmp_path: Path) -> None:
    archive, seen = tmp_path / "x.zip", []

    def complete(part: Path) -> None:
        seen.append((archive.exists(), zipfile.ZipFile(part).namelist()))

    write_zip(archive, FILES, complete=complete)
    assert seen == [(False, ["b/2.png", "a/1.png"])]


def test_a_zip_that_cannot_be_read_back_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"older")

    def fail(_: zipfile.ZipFile) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zipfile.ZipFile, "testzip", fail)
    with pytest.raises(InputError, match=r"x\.zip: the archive \(\[Errno 5\] Input/output error\) is damaged"):
        write_zip(archive, FILES)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.zip", b"older")]
