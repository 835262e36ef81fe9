"""Reader and writer for the tar.gz of a submission, and reader for folders of predictions."""

import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from engine.errors import InputError
from engine.files import folders, png_chunks
from engine.files.atomic import replacing
from engine.files.content import read_bytes
from engine.findings import shortened
from pascal_voc.labels import PALETTE

MAX_BYTES, MAX_FILES = 16 << 20, 20_000
"""Bytes of a file and files of an archive above which nothing is read: masks of this data set need less."""

PACK = "pack the folder: python -m pascal_voc.submission pack DIR TAR.GZ"

UNDECODABLE = (
    *(png_chunks.DamagedError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError),
    *(struct.error, zlib.error),
)
"""Exceptions that decoding a damaged PNG may raise."""


class Entry(NamedTuple):
    """A PNG file in a folder or archive."""

    name: str
    """Path within the folder or archive."""
    content: bytes
    """Content of the PNG file."""

    @property
    def image_id(self) -> str:
        """Id of the image that it belongs to."""
        return PurePosixPath(self.name).stem


def read(path: Path) -> list[Entry]:
    """The PNG files in a folder and its subfolders, or in an archive.

    Raises:
        InputError: if there are none, or with every file that cannot be read.
    """
    if path.is_dir():
        files = [file for file in folders.find(path, "*.png") if not file.is_dir()]
        found = [Entry(file.relative_to(path).as_posix(), read_bytes(file)) for file in files]
    elif path.is_file():
        found = _archived(path)
    else:
        raise InputError(f"{path}: no such folder or archive; give the folder or the tar.gz of the predictions")
    if not found:
        raise InputError(f"{path}: no PNG files in it; predict the test split first")
    return found


def _archived(path: Path) -> list[Entry]:
    """The PNG files of an archive, which is read sequentially and never unpacked."""
    found: list[Entry] = []
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.isfile() or not member.name.endswith(".png"):
                    continue
                if member.size > MAX_BYTES or len(found) == MAX_FILES:
                    what = (
                        f"{shortened(member.name)} has {member.size} bytes" if member.size > MAX_BYTES else "too many"
                    )
                    raise InputError(
                        f"{path}: {what}, expected at most {MAX_FILES} PNGs of at most {MAX_BYTES >> 20} MiB; {PACK}"
                    )
                file = tar.extractfile(member)
                if file is not None:
                    found.append(Entry(member.name, file.read()))
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise InputError(f"{path}: not a complete tar archive ({reason}); {PACK}") from error
    return found


def write(archive: Path, folder: str, entries: Sequence[Entry]) -> None:
    """Write predictions as palette PNGs to a folder within a tar.gz; the result is reproducible."""
    with (
        replacing(archive) as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for entry in sorted(entries, key=lambda entry: entry.image_id):
            content = _with_palette(entry.content)
            info = tarfile.TarInfo(f"{folder}/{entry.image_id}.png")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _with_palette(content: bytes) -> bytes:
    image = Image.fromarray(np.asarray(Image.open(io.BytesIO(content))))
    image.putpalette(PALETTE.tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
