"""The table of faults of the panoptic task in docs/submission.md: each row is one of these cases with its message."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cityscapes.formats import panoptic
from cityscapes.labels import BY_ID
from tests.cityscapes.documented_faults import assert_documented, titles
from tests.cityscapes.drawn_panoptic_submission import FOLDER, JSON_NAME, SIZE, STEMS, change, ids, png

Spoil = Callable[[Path], object]
"""Function that spoils a folder of good predictions, or writes a spoilt zip of it."""

HEADING = "Faults of the panoptic task"
FIRST = f"{FOLDER}/{STEMS[0]}_panoptic.png"


def first(**fields: Any) -> Spoil:
    """Replace fields of the first annotation."""
    return change(lambda annotations: annotations[0].update(fields))


def without(key: str) -> Spoil:
    return change(lambda annotations: annotations[0].pop(key))


def segment(number: int = 0, **fields: Any) -> Spoil:
    """Replace fields of a segment of the first annotation."""
    return change(lambda annotations: annotations[0]["segments_info"][number].update(fields))


def all_ids(new: Callable[[str], str]) -> Spoil:
    return change(lambda annotations: [one.update(image_id=new(one["image_id"])) for one in annotations])


def train_ids(annotations: list[dict[str, Any]]) -> None:
    for one in annotations:
        for info in one["segments_info"]:
            info["category_id"] = BY_ID[info["category_id"]].train_id


def content(of_png: bytes) -> Spoil:
    """Replace the content of the first PNG."""
    return lambda folder: (folder / FIRST).write_bytes(of_png)


def text(of_json: str) -> Spoil:
    """Replace the content of the JSON file."""
    return lambda folder: (folder / JSON_NAME).write_text(of_json)


def renamed(name: str, new: str) -> Spoil:
    return lambda folder: (folder / name).rename(folder / new)


def without_json(folder: Path) -> None:
    (folder / JSON_NAME).unlink()


def two_jsons(folder: Path) -> None:
    shutil.copy2(folder / JSON_NAME, folder / "cityscapes_panoptic_val.json")


def emptied(folder: Path) -> None:
    for path in folder.rglob("*.*"):
        path.unlink()


def pixel_predictions(folder: Path) -> None:
    for stem in STEMS:
        (folder / f"{stem}.png").write_bytes(png(np.full(SIZE[::-1], 7, np.uint8)))


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SIZE).save(file, format="JPEG")
    return file.getvalue()


def with_alpha() -> bytes:
    file = io.BytesIO()
    Image.new("LA", SIZE).save(file, format="PNG")
    return file.getvalue()


def another_split(folder: Path) -> None:
    shutil.copy2(folder / FIRST, folder / FOLDER / "frankfurt_000000_000294_panoptic.png")
    stem = "frankfurt_000000_000294"
    change(
        lambda annotations: annotations.append(annotations[0] | {"image_id": stem, "file_name": f"{stem}_panoptic.png"})
    )(folder)


def zipped(name: str = FIRST, *, patch: Callable[[bytes], bytes] = lambda zipped: zipped) -> Spoil:
    """Zip the good predictions, with another name of the first PNG; then patch the bytes of the zip."""

    def spoil(folder: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                of_file = path.relative_to(folder).as_posix()
                packed.writestr(zipfile.ZipInfo(name if of_file == FIRST else of_file), path.read_bytes())
        folder.with_suffix(".zip").write_bytes(patch(file.getvalue()))

    return spoil


def encrypted(content: bytes) -> bytes:
    index = content.rindex(b"PK\x01\x02") + 8
    return content[:index] + bytes([content[index] | 1]) + content[index + 1 :]


def damaged(content: bytes) -> bytes:
    return content.replace(b"IDAT", b"IDAt", 1)


PNG = panoptic.encode(ids())

CASES: dict[str, Spoil] = {
    "another name of the JSON file": renamed(JSON_NAME, "predictions.json"),
    "the JSON file of another split": renamed(JSON_NAME, "cityscapes_panoptic_val.json"),
    "two JSON files": two_jsons,
    "the PNGs in another folder": renamed(FOLDER, "pngs"),
    "broken JSON": text('{"annotations": [{"segments_info": '),
    "JSON with a byte order mark": lambda folder: (folder / JSON_NAME).write_bytes(
        b"\xef\xbb\xbf" + (folder / JSON_NAME).read_bytes()
    ),
    "a list instead of an object": text('[{"annotations": [], "segments_info": []}]'),
    "JSON nested too deeply": text("[" * 100_000),
    "an annotation without a file name": without("file_name"),
    "an annotation without segments": without("segments_info"),
    "a number as image_id": first(image_id=19),
    "image_id with _leftImg8bit": all_ids(lambda stem: f"{stem}_leftImg8bit"),
    "image_id with a path": all_ids(lambda stem: f"test/{stem}.png"),
    "image_id with a blank": all_ids(lambda stem: f" {stem}"),
    "two annotations of an image": change(lambda annotations: annotations.append(annotations[0])),
    "a missing image": change(lambda annotations: annotations.pop(0)),
    "an image of another split": another_split,
    "a PNG outside the folder": first(file_name="../car.png"),
    "the PNG of another image": change(
        lambda annotations: annotations[0].update(file_name=annotations[1]["file_name"])
    ),
    "a missing PNG": lambda folder: (folder / FIRST).unlink(),
    "no segment in any image": change(lambda annotations: [one.update(segments_info=[]) for one in annotations]),
    "a segment without a category": change(lambda annotations: annotations[0]["segments_info"][0].pop("category_id")),
    "train ids instead of label ids": change(train_ids),
    "an unknown category": segment(category_id=47),
    "a void category": segment(category_id=0),
    "the id 0 for a segment": segment(id=0),
    "two segments with the same id": segment(1, id=7),
    "a segment that is only in the PNG": change(lambda annotations: annotations[0]["segments_info"].pop()),
    "a segment that is only in the JSON file": change(
        lambda annotations: annotations[0]["segments_info"].append({"id": 8, "category_id": 8})
    ),
    "a half-size PNG": content(panoptic.encode(np.ascontiguousarray(ids()[::2, ::2]))),
    "a grey PNG": content(png(ids().astype(np.uint8))),
    "16 bits per pixel": content(png(ids().astype(np.uint16))),
    "grey with alpha": content(with_alpha()),
    "a JPEG named .png": content(jpeg()),
    "a damaged PNG": content(PNG[:60]),
    "predictions of the pixel task in the folder": pixel_predictions,
    "a zip cut off by the upload": zipped(patch=lambda content: content[:-40]),
    "a damaged PNG in the zip": zipped(patch=damaged),
    "a name with `..` in the zip": zipped(f"../{FIRST}"),
    "a zip in the zip": zipped("pngs.zip"),
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
