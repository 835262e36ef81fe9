"""Archives of data sets, also damaged, encrypted, or on a failing disk."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files import download


def path_of(name: str) -> str:
    return name


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"content")
    return path


def test_the_files_of_a_zip_and_of_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(zipped(tmp_path / "a.zip"), "b.png")
    for name in ("a.zip", "b.tar.gz"):
        assert download.unpack(tmp_path / name, tmp_path / "root", path_of, remedy="") == 1
    assert (tmp_path / "root" / "a.png").read_bytes() == b"content"
    assert (tmp_path / "root" / "b.png").read_bytes() == (tmp_path / "a.zip").read_bytes()


def test_an_encrypted_zip_and_a_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip: damaged archive \(File .* is encrypted"):
        download.unpack(archive, tmp_path / "root", path_of, remedy="")
    with pytest.raises(InputError, match="got a folder"):
        download.unpack(tmp_path, tmp_path / "root", path_of, remedy="")


def test_a_disk_that_fails_names_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the file that is written, which is complete or not there."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    archive = zipped(tmp_path / "a.zip")
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: Failing())
    with pytest.raises(InputError, match=r"a\.zip: cannot read it \(Input/output error\)"):
        download.unpack(archive, tmp_path / "root", path_of, remedy="")
    assert list((tmp_path / "root").iterdir()) == []
