"""Reading of files of all kinds, also from failing disks."""

import errno
import os
import socket
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.content import naming, read_bytes, read_text, reading


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn")
    assert read_bytes(tmp_path / "a.txt").endswith(b"n")
    assert read_text(tmp_path / "a.txt") == "grün"


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    assert read_text(tmp_path / "link") == "a"
    with pytest.raises(InputError, match="broken: no such file"):
        read_bytes(tmp_path / "broken")


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "a named pipe"), ("zero", "a device"), ("folder", "a folder")):
        with pytest.raises(InputError, match=f"{name}: got {kind}, expected a file"):
            read_bytes(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="s: cannot read it"):
            read_bytes(tmp_path / "s")


def test_a_file_of_limited_size_is_not_read_if_it_is_larger(tmp_path: Path) -> None:
    with (tmp_path / "a.bin").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"a.bin: got 1,099,511,627,776 bytes, expected at most 10; write it again"):
        read_bytes(tmp_path / "a.bin", 10)
    (tmp_path / "b.bin").write_bytes(bytes(10))
    assert read_bytes(tmp_path / "b.bin", 10) == bytes(10)


def test_text_must_be_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(InputError, match=r"a.txt: not UTF-8 text \(byte 2\)"):
        read_text(tmp_path / "a.txt")


def test_a_failing_disk_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    with pytest.raises(InputError, match=r"a.bin: cannot read it \(Input/output error\)"), reading(tmp_path / "a.bin"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_errors_about_other_files_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="other"), naming(tmp_path / "a"):
        raise OSError(errno.EIO, "Input/output error", "other")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\\.*: no file can have this name; rename it"):
        read_bytes(tmp_path / name)
