"""Zips that are damaged, or unsafe to unpack."""

import struct
import zipfile
from pathlib import Path

import pytest

from cityscapes.layout import stem_in
from cityscapes.submission import archive_reader
from tests.cityscapes.drawn_submission import LABEL_IDS, STEMS, CheckErrors, png, prediction, zipped


def test_truncated_zip(folder: Path, tmp_path: Path, errors: CheckErrors) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    archive.write_bytes(archive.read_bytes()[:-40])
    assert errors(archive)[0].startswith("not a complete zip")


def test_corrupt_file_in_a_zip(folder: Path, tmp_path: Path, errors: CheckErrors) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for stem in STEMS:
            packed.writestr(f"{stem}.png", png(LABEL_IDS))
    content = bytearray(archive.read_bytes())
    content[content.index(b"IDAT") + 9] ^= 0xFF
    archive.write_bytes(content)
    (line,) = errors(archive)
    assert "damaged: got 1 file that cannot be decoded (berlin_000000_000019.png: Bad CRC-32" in line


def test_a_damaged_file_of_another_type_makes_the_zip_a_fault(tmp_path: Path, errors: CheckErrors) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for stem in STEMS:
            packed.writestr(f"{stem}.png", png(LABEL_IDS))
        packed.writestr("notes.txt", "made today")
    archive.write_bytes(archive.read_bytes().replace(b"made today", b"made nowhere"[:10]))
    (line,) = (line for line in errors(archive) if line.startswith("damaged zip"))
    assert "1 file that cannot be unpacked, so the server may refuse the whole zip (notes.txt: Bad CRC-32" in line


def test_a_file_that_inflates_beyond_its_declared_size(folder: Path, tmp_path: Path, errors: CheckErrors) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(archive) as packed:
        info = packed.infolist()[0]
    declared = struct.pack("<II", info.compress_size, info.file_size)
    archive.write_bytes(archive.read_bytes().replace(declared, struct.pack("<II", info.compress_size, 20)))
    (line,) = errors(archive)
    assert line.startswith("damaged: got ")
    assert f"{info.filename}: " in line


def entry(name: str, external_attr: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = external_attr
    return info


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (entry(f"/elsewhere/{STEMS[0]}.png"), "unsafe name: got 1 file: names that leave the folder"),
        (entry(""), "no name: got 1 file: files without a name"),
        (entry(f"../{STEMS[0]}.png"), "unsafe name: got 1 file: names that leave the folder"),
        (entry(f"C:\\{STEMS[0]}.png"), "unsafe name: got 1 file: names that leave the folder"),
        (entry(f"results\\{STEMS[0]}.png"), "backslash: got 1 file: names with a backslash"),
        (entry(f"{STEMS[0]}.png", external_attr=0o120777 << 16), "symbolic link: got 1 file: symbolic links"),
        (entry("inner.zip"), "nested archive: got 1 file: archives within the archive"),
    ],
)
def test_unsafe_files_in_a_zip(
    info: zipfile.ZipInfo, expected: str, folder: Path, tmp_path: Path, errors: CheckErrors
) -> None:
    if info.filename not in ("", "inner.zip"):
        prediction(folder, STEMS[0]).unlink()
    archive = zipped(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(info, b"never read")
    (line,) = errors(archive)
    assert line.startswith(expected)
    assert not (tmp_path / "tmp").exists()


def test_encrypted_file_in_a_zip(folder: Path, tmp_path: Path, errors: CheckErrors) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    (line,) = errors(archive)
    assert line.startswith("encrypted: got 1 file: encrypted files, which the server cannot read (berlin/berlin_000000")


def test_large_files_are_refused_unread(
    folder: Path, tmp_path: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_reader, "MAX_BYTES", 50)
    for path in (folder, zipped(folder, tmp_path / "made.zip")):
        (line,) = errors(path)
        assert line.startswith("too large: got 6 files: files of more than 64 MiB")


def test_too_many_files(folder: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_reader, "MAX_FILES", 5)
    assert errors() == ["got 6 files, expected at most 5; check that this is the right path"]


def test_the_stem_in_a_long_name_is_found_in_linear_time() -> None:
    """Matching takes linear time; quadratic time would be minutes here."""
    assert stem_in("a" * 60_000 + ".png") == ""
    assert stem_in("a-" * 30_000 + ".png") == ""
    assert stem_in("old_st-wendel_000001_000019_x.png") == "st-wendel_000001_000019"
