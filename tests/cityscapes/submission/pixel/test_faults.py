"""The table of faults in docs/submission.md: each row is one of these cases with its message."""

import functools
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.labels import COLOR_OF
from cityscapes.submission import archive_reader, main
from engine.files.images import write_png
from tests.cityscapes.documented_faults import assert_documented, error_lines, titles
from tests.cityscapes.drawn_submission import LABEL_IDS, TRAIN_IDS

Ids = npt.NDArray[Any]
Spoil = Callable[[Path], None]
"""Function that spoils a folder of good predictions, or writes a spoilt zip of it."""

HEADING = "Faults of the pixel task"
STEMS = [f"{city}_000000_{frame:06d}" for city in ("berlin", "bonn") for frame in (19, 20)]
FIRST = f"{STEMS[0]}.png"


def png(pixels: Ids) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def first(content: bytes | Ids, name: str = FIRST) -> Spoil:
    """Replace the content of the first prediction, or add a file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else png(content))

    return spoil


def all_of(change: Callable[[Ids], Ids]) -> Spoil:
    def spoil(folder: Path) -> None:
        for stem in STEMS:
            (folder / f"{stem}.png").write_bytes(png(change(LABEL_IDS)))

    return spoil


def renamed(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / FIRST).rename(folder / name)

    return spoil


def of_two_networks(folder: Path) -> None:
    for number, stem in enumerate(STEMS):
        write_png(folder / f"{stem}.png", LABEL_IDS, notes={"Weights": ("7a3f" if number else "c041") * 16})


def colours_added(folder: Path) -> None:
    for stem in STEMS:
        (folder / f"{stem}_color.png").write_bytes(png(COLOR_OF[LABEL_IDS]))


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def only_text(folder: Path) -> None:
    emptied(folder)
    (folder / "log.txt").touch()


def zipped(
    name: str = FIRST,
    *,
    mode: int = 0o100644,
    content: bytes | None = None,
    patch: Callable[[bytes], bytes] = lambda zipped: zipped,
) -> Spoil:
    """Zip the good predictions, with another name, mode or content of the first; then patch the bytes of the zip."""

    def spoil(folder: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.iterdir()):
                info = zipfile.ZipInfo(name if path.name == FIRST else path.name)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (mode if path.name == FIRST else 0o100644) << 16
                packed.writestr(info, path.read_bytes() if content is None or path.name != FIRST else content)
        folder.with_suffix(".zip").write_bytes(patch(file.getvalue()))

    return spoil


def encrypted(content: bytes) -> bytes:
    index = content.index(b"PK\x01\x02") + 8
    return content[:index] + bytes([content[index] | 1]) + content[index + 1 :]


def flipped(content: bytes) -> bytes:
    """Change the checksum in the listing of a zip, so that it does not match the content."""
    index = content.index(b"PK\x01\x02") + 16
    return content[:index] + bytes([content[index] ^ 0xFF]) + content[index + 1 :]


def no_zip(folder: Path) -> None:
    folder.with_suffix(".zip").write_bytes(b"Rar!\x1a\x07")


@functools.cache
def crowded() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for number in range(100_000):
            packed.writestr(zipfile.ZipInfo(f"{number}.png"), b"")
    return file.getvalue()


def many(folder: Path) -> None:
    folder.with_suffix(".zip").write_bytes(crowded())


CASES: dict[str, Spoil] = {
    "train ids instead of label ids": all_of(lambda ids: TRAIN_IDS),
    "train ids with 255 for void": all_of(lambda ids: np.where(TRAIN_IDS == 3, 255, TRAIN_IDS).astype(np.uint8)),
    "train ids plus 1": all_of(lambda ids: TRAIN_IDS + np.uint8(1)),
    "train ids in some predictions": first(TRAIN_IDS),
    "ids of unknown meaning": all_of(lambda ids: (np.arange(512) % 19).astype(np.uint8).reshape(16, 32)),
    "predictions of two networks in one folder": of_two_networks,
    "255 among label ids": first(np.where(LABEL_IDS == 7, 255, LABEL_IDS).astype(np.uint8)),
    "ids outside the label table": first(LABEL_IDS + np.uint8(40)),
    "only one void id": all_of(np.zeros_like),
    "colours instead of ids": all_of(lambda ids: COLOR_OF[ids]),
    "colour and id images in one folder": colours_added,
    "half-size predictions": all_of(lambda ids: ids[::2, ::2]),
    "16 bits per pixel": all_of(lambda ids: ids.astype(np.uint16)),
    "one bit per pixel": first(LABEL_IDS > 8),
    "a JPEG named .png": lambda folder: Image.fromarray(LABEL_IDS).save(folder / FIRST, format="JPEG"),
    "an empty file": first(b""),
    "a file cut off in its pixels": first(png(LABEL_IDS)[:60]),
    "a file cut off after its pixels": first(png(LABEL_IDS)[:-12]),
    "a missing prediction": lambda folder: (folder / FIRST).unlink(),
    "two predictions of an image": first(LABEL_IDS, f"again/{FIRST}"),
    "an image of another split": first(LABEL_IDS, "frankfurt_000000_000294.png"),
    "a name without the frame number": renamed("berlin_000000.png"),
    "a name ending in .PNG": renamed(FIRST.upper().replace("BERLIN", "berlin")),
    "only files of other types": only_text,
    "an empty folder": emptied,
    "a RAR or 7z file named .zip": no_zip,
    "a zip cut off by the upload": zipped(patch=lambda content: content[:-40]),
    "a damaged file in the zip": zipped(patch=flipped),
    "a name with `..` in the zip": zipped(f"../{FIRST}"),
    "an absolute name in the zip": zipped(f"/elsewhere/{FIRST}"),
    "a name with backslashes, from Windows": zipped(f"results\\{FIRST}"),
    "a symbolic link in the zip": zipped(mode=0o120777),
    "a zip in the zip": zipped("inner.zip"),
    "an encrypted zip": zipped(patch=encrypted),
    "a zip of 100,000 files": many,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for stem in STEMS:
        path = tmp_path / "data/leftImg8bit/test" / stem.split("_", maxsplit=1)[0] / f"{stem}_leftImg8bit.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.zeros((16, 32, 3), np.uint8)))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    for stem in STEMS:
        (tmp_path / "results" / f"{stem}.png").write_bytes(png(LABEL_IDS))
    return tmp_path / "results"


@pytest.mark.parametrize("title", CASES)
def test_fault_gets_the_documented_message(
    title: str, folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CASES[title](folder)
    assert_documented(HEADING, title, folder, root, capsys)


def test_no_row_without_a_case() -> None:
    assert titles(HEADING) == list(CASES)


def bomb(declared: int) -> bytes:
    """A zip with one file that inflates to 1 GiB of zeros, but declares another size."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    packed = b"".join(deflate.compress(block) for _ in range(1 << 10)) + deflate.flush()
    name = FIRST.encode()
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), declared, len(name), 0)
    local = b"PK\x03\x04" + fields + name + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (1 << 30, "too large: got 1 file"),
        (512, "damaged: got 1 file"),
        (archive_reader.MAX_BYTES, "damaged: got 1 file"),
    ],
)
def test_a_bomb_is_refused_in_bounded_memory(
    declared: int, expected: str, folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.with_suffix(".zip").write_bytes(bomb(declared))
    tracemalloc.start()
    lines = error_lines(folder, root, capsys)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert any(line.startswith(expected) for line in lines)
    assert peak < 4 * archive_reader.MAX_BYTES


def test_a_png_that_inflates_beyond_its_pixels_is_read_in_bounded_memory(
    folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    content = png(LABEL_IDS)
    pixels = zlib.compress(bytes(1 << 28), 1)
    (folder / FIRST).write_bytes(content[:33] + chunk(b"IDAT", pixels) + content[-12:])
    tracemalloc.start()
    main(["check", str(folder), "--root", str(root), "--workers", "1"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * archive_reader.MAX_BYTES


@pytest.mark.parametrize("title", [title for title in CASES if "zip" in title or "backslash" in title])
def test_a_bad_zip_is_fixed_into_its_new_folder_or_not_at_all(
    title: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CASES[title](folder)
    if not folder.with_suffix(".zip").exists():
        return
    before = set(tmp_path.rglob("*"))
    code = main(["fix", str(folder.with_suffix(".zip")), str(tmp_path / "new"), "--workers", "1"])
    made = {path for path in tmp_path.rglob("*") if path not in before}
    assert all(path.is_relative_to(tmp_path / "new") for path in made)
    assert bool(made) == (code == 0)
