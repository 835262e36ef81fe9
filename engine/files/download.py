"""Archives of data: download, checksum, and unpacking file by file."""

import hashlib
import lzma
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tqdm import tqdm

from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.content import naming, reading

_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError),
    RuntimeError,  # encrypted archives; also NotImplementedError, for unknown compression
)
"""Exceptions that reading a damaged archive raises."""


def fetch(url: str, path: Path, *, remedy: str) -> None:
    """Download a file.

    Raises:
        InputError: if it cannot be downloaded, with the remedy.
    """
    try:
        with urllib.request.urlopen(url, timeout=30) as response, replacing(path) as file:
            total = int(response.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc="download", disable=None, leave=False) as bar:
                while block := response.read(1 << 20):
                    file.write(block)
                    bar.update(len(block))
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        raise InputError(f"{url}: cannot download ({error}); {remedy}") from error


def require_md5(path: Path, expected: str) -> None:
    """Compare the MD5 of a file with the expected one, which detects incomplete downloads.

    Raises:
        InputError: if they differ.
    """
    with reading(path) as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        raise InputError(f"{path}: MD5 {found}, expected {expected}; download it again")


def unpack(archive: Path, root: Path, path_of: Callable[[str], str | None], *, remedy: str) -> int:
    """Write files of a zip or tar below a root, each atomically, and return their number.

    Args:
        archive: the zip, tar or compressed tar.
        root: folder to write to.
        path_of: name of a member -> its path below the root; None for members to skip.
        remedy: what to do if the archive is missing, or not the expected one.

    Raises:
        InputError: if the archive is damaged, or contains none of the expected files.
    """
    number = 0
    try:
        for name, file in _members(archive, path_of, remedy):
            with replacing(root / name) as written:
                for block in _blocks(archive, file):
                    written.write(block)
            number += 1
    except _DAMAGED as error:
        raise InputError(f"{archive}: damaged archive ({error}); download it again") from error
    if not number:
        raise InputError(f"{archive}: none of the files in it belongs to this data set; {remedy}")
    return number


def _members(archive: Path, path_of: Callable[[str], str | None], remedy: str) -> Iterator[tuple[str, IO[bytes]]]:
    if not archive.exists():
        raise InputError(f"{archive}: no such file; {remedy}")
    with reading(archive) as content:
        if zipfile.is_zipfile(content):
            with zipfile.ZipFile(content) as packed:
                for info in packed.infolist():
                    if not info.filename.endswith("/") and (name := path_of(info.filename)):
                        yield name, packed.open(info)
        elif _is_tar(content):
            with tarfile.open(fileobj=content) as tar:
                for member in tar:
                    if member.isfile() and (name := path_of(member.name)) and (file := tar.extractfile(member)):
                        yield name, file
        else:
            raise InputError(f"{archive}: neither zip nor tar; {remedy}")


def _is_tar(content: IO[bytes]) -> bool:
    content.seek(0)
    is_tar = tarfile.is_tarfile(content)
    content.seek(0)
    return is_tar


def _blocks(archive: Path, file: IO[bytes]) -> Iterator[bytes]:
    """The content of a member in blocks; read errors name the archive, not the file that is written."""
    with naming(archive):
        while block := file.read(1 << 20):
            yield block
