"""The table of faults of the instance task in docs/submission.md: each row is one of these cases with its message."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cityscapes.documented_faults import assert_documented, titles
from tests.cityscapes.drawn_instance_submission import SIZE, STEMS, mask, png

Spoil = Callable[[Path], object]
"""Function that spoils a folder of good predictions, or writes a spoilt zip of it."""

HEADING = "Faults of the instance task"
FIRST = f"{STEMS[0]}.txt"
MASK = f"masks/{STEMS[0]}_0.png"
LINE = f"{MASK} 26 0.9\n"


def line(text: str) -> Spoil:
    """Replace the first line of the first text file."""

    def spoil(folder: Path) -> None:
        path = folder / FIRST
        path.write_text(path.read_text().replace(LINE, text))

    return spoil


def content(of_mask: bytes) -> Spoil:
    """Replace the content of the first mask."""
    return lambda folder: (folder / MASK).write_bytes(of_mask)


def labels(change: Callable[[int], int]) -> Spoil:
    def spoil(folder: Path) -> None:
        for path in folder.glob("*.txt"):
            fields = [text.split(" ") for text in path.read_text().splitlines()]
            path.write_text("".join(f"{name} {change(int(label))} {score}\n" for name, label, score in fields))

    return spoil


def renamed(name: str, new: str) -> Spoil:
    return lambda folder: (folder / name).rename(folder / new)


def blank_in_a_name(folder: Path) -> None:
    renamed(MASK, f"masks/{STEMS[0]} car.png")(folder)
    line(f"masks/{STEMS[0]} car.png 26 0.9\n")(folder)


def again(folder: Path) -> None:
    (folder / f"{STEMS[0]}_pred.txt").write_text("")


def another_split(folder: Path) -> None:
    (folder / "frankfurt_000000_000294.txt").write_text(f"masks/{STEMS[0]}_x.png 26 0.8\n")
    (folder / f"masks/{STEMS[0]}_x.png").write_bytes(png(mask()))


def emptied(folder: Path) -> None:
    for path in folder.rglob("*.*"):
        path.unlink()


def without_text(folder: Path) -> None:
    for path in folder.glob("*.txt"):
        path.rename(path.with_suffix(".log"))


def no_lines(folder: Path) -> None:
    for path in folder.glob("*.txt"):
        path.write_text("")


def pixel_predictions(folder: Path) -> None:
    for stem in STEMS:
        ids = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) % 19
        (folder / f"{stem}.png").write_bytes(png(ids.astype(np.uint8)))


def panoptic_predictions(folder: Path) -> None:
    (folder / "cityscapes_panoptic_test.json").write_text('{"annotations": []}')


def zipped(name: str = MASK, *, patch: Callable[[bytes], bytes] = lambda zipped: zipped) -> Spoil:
    """Zip the good predictions, with another name of the first mask; then patch the bytes of the zip."""

    def spoil(folder: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                of_file = path.relative_to(folder).as_posix()
                packed.writestr(zipfile.ZipInfo(name if of_file == MASK else of_file), path.read_bytes())
        folder.with_suffix(".zip").write_bytes(patch(file.getvalue()))

    return spoil


def encrypted(content: bytes) -> bytes:
    index = content.rindex(b"PK\x01\x02") + 8
    return content[:index] + bytes([content[index] | 1]) + content[index + 1 :]


def damaged(content: bytes) -> bytes:
    return content.replace(b"IDAT", b"IDAt", 1)


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG")
    return file.getvalue()


def palette() -> bytes:
    """A mask whose instance has index 1 and the colour black."""
    image = Image.fromarray((mask() > 0).astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 0, 0, 0, 255, 255, 255])
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def blue() -> bytes:
    """A mask whose instance has the colour (0, 0, 1), which becomes grey 0."""
    return png(np.stack([0 * mask(), 0 * mask(), mask() // 255], -1))


def enormous() -> bytes:
    """A mask whose header declares 32,768 x 32,768 pixels."""
    header = b"IHDR" + (1 << 15).to_bytes(4, "big") * 2 + png(mask())[24:29]
    return png(mask())[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png(mask())[33:]


CASES: dict[str, Spoil] = {
    "a mask outside the folder": line("../masks/car.png 26 0.9\n"),
    "an absolute path": line("/elsewhere/car.png 26 0.9\n"),
    "a blank in the name of a mask": blank_in_a_name,
    "two blanks between fields": line(f"{MASK}  26 0.9\n"),
    "tabs instead of blanks": line(f"{MASK}\t26\t0.9\n"),
    "a blank line": line(f"{LINE}\n"),
    "a line without a confidence": line(f"{MASK} 26\n"),
    "backslashes, from Windows": line(f"masks\\{STEMS[0]}_0.png 26 0.9\n"),
    "a text file that is not UTF-8": lambda folder: (folder / FIRST).write_bytes(b"m\xe4sk.png 26 0.9\n"),
    "more than 10,000 masks in an image": lambda folder: (folder / FIRST).write_text(LINE * 10_001),
    "a missing text file": lambda folder: (folder / FIRST).unlink(),
    "two text files of an image": again,
    "a text file of another split": another_split,
    "a text file without the frame number": renamed(FIRST, "berlin.txt"),
    "a name ending in .TXT": renamed(FIRST, f"{STEMS[0]}.TXT"),
    "text files without a line": no_lines,
    "train ids instead of label ids": labels(lambda label: {26: 13, 24: 11}[label]),
    "a label without instances": line(f"{MASK} 7 0.9\n"),
    "a void label": line(f"{MASK} 29 0.9\n"),
    "an unknown label id": line(f"{MASK} 47 0.9\n"),
    "a class name instead of a label id": line(f"{MASK} car 0.9\n"),
    "a confidence that is not a number": line(f"{MASK} 26 high\n"),
    "NaN as confidence": line(f"{MASK} 26 nan\n"),
    "a missing mask": lambda folder: (folder / MASK).unlink(),
    "a half-size mask": content(png(mask()[::2, ::2])),
    "an empty mask": content(png(0 * mask())),
    "a damaged mask": content(png(mask())[:60]),
    "a mask of 10^9 pixels": content(enormous()),
    "a palette mask whose colours are black": content(palette()),
    "a colour mask that becomes grey 0": content(blue()),
    "a mask in two lines": line(LINE * 2),
    "predictions of the pixel task in the folder": pixel_predictions,
    "predictions of the panoptic task in the folder": panoptic_predictions,
    "an empty folder": emptied,
    "a zip cut off by the upload": zipped(patch=lambda content: content[:-40]),
    "a damaged mask in the zip": zipped(patch=damaged),
    "a mask with `..` in the zip": zipped(f"../{STEMS[0]}_0.png"),
    "a zip in the zip": zipped("masks.zip"),
    "an encrypted zip": zipped(patch=encrypted),
}


@pytest.mark.parametrize("title", CASES)
def test_fault_gets_the_documented_message(
    title: str, folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CASES[title](folder)
    lines = assert_documented(HEADING, title, folder, root, capsys)
    assert max(map(len, lines)) <= 320, "messages are short"


def test_no_row_without_a_case() -> None:
    assert titles(HEADING) == list(CASES)
