"""Files that are broken, alone or in combination with others."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cityscapes.drawn_root import FIRST, ROAD, SCENES, RunDoctor, annotate, save


def cut(root: Path) -> None:
    path = FIRST.image(root)
    path.write_bytes(path.read_bytes()[:45])


def colour_mask(root: Path) -> None:
    save(FIRST.official_mask(root, "labelIds"), np.zeros((16, 32, 3), np.uint8))


def foreign_label_id(root: Path) -> None:
    save(FIRST.official_mask(root, "labelIds"), np.full((16, 32), 77, np.uint8))


def small_mask(root: Path) -> None:
    save(FIRST.generated_mask(root, "trainId"), np.zeros((8, 16), np.uint8))


def unknown_label(root: Path) -> None:
    annotate(FIRST.polygons(root), ROAD, {"label": "unicorn", "polygon": []})


UNREADABLE = "unreadable: got 1 file that cannot be read ({}/train/aachen/aachen_000000_000000_{}"
POLYGONS = (
    "polygons: got 1 error in polygon files, expected the gtFine format "
    "(gtFine/train/aachen/aachen_000000_000000_gtFine_polygons.json: {}"
)
IDS = (
    "ids: got 1 file with ids that are not in the label table, expected label ids 0 to 33, train ids 0 to 18 or 255 "
    "({}/train/aachen/aachen_000000_000000_{}"
)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (cut, UNREADABLE.format("leftImg8bit", "leftImg8bit.png: cut off); unpack or generate them again")),
        (
            lambda root: FIRST.official_mask(root, "labelIds").write_bytes(b"hello"),
            UNREADABLE.format("gtFine", "gtFine_labelIds.png: the file (5 bytes) is not an image); unpack or generate"),
        ),
        (
            lambda root: save(FIRST.image(root), np.zeros((16, 32), np.uint16)),
            UNREADABLE.format("leftImg8bit", "leftImg8bit.png: got a 16-bit grey image, expected 8 bits per channel)"),
        ),
        (
            colour_mask,
            UNREADABLE.format("gtFine", "gtFine_labelIds.png: expected one channel of ids, got an image of mode RGB)"),
        ),
        (lambda root: FIRST.polygons(root).write_text('{"imgWidth": 32'), POLYGONS.format("broken JSON (")),
        (unknown_label, POLYGONS.format("object 1: unknown label 'unicorn'); unpack gtFine_trainvaltest.zip")),
        (foreign_label_id, IDS.format("gtFine", "gtFine_labelIds.png: 77); unpack or generate")),
        (
            lambda root: save(FIRST.generated_mask(root, "trainId"), np.full((16, 32), 19, np.uint8)),
            IDS.format("generated_gt", "trainId.png: 19)"),
        ),
        (
            lambda root: save(FIRST.official_mask(root, "instanceIds"), np.full((16, 32), 7001, np.uint16)),
            IDS.format("gtFine", "gtFine_instanceIds.png: 7001)"),
        ),
        (
            small_mask,
            "size: got 1 scene whose image and masks differ in size (aachen_000000_000000: "
            "image/polygons/labelIds/instanceIds/labelId 32 x 16, trainId 16 x 8); ",
        ),
    ],
)
def test_broken_file(spoil: Callable[[Path], object], expected: str, root: Path, run_doctor: RunDoctor) -> None:
    spoil(root)
    (line,) = run_doctor(2).faults
    assert line.startswith(expected)


@pytest.mark.parametrize("kind", ["image", "labelIds"])
def test_a_file_that_ends_after_its_pixels_is_found(kind: str, root: Path, run_doctor: RunDoctor) -> None:
    path = FIRST.image(root) if kind == "image" else FIRST.official_mask(root, kind)
    path.write_bytes(path.read_bytes()[:-12])
    (line,) = run_doctor(2).faults
    assert path.name in line
    assert "cut off)" in line
    assert line.endswith("; unpack or generate them again")


def test_a_flipped_byte_in_a_photograph_is_found(root: Path, run_doctor: RunDoctor) -> None:
    path = FIRST.image(root)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(content)
    (line,) = run_doctor(2).faults
    assert line.endswith("leftImg8bit.png: wrong checksum in chunk IDAT); unpack or generate them again")


@pytest.mark.parametrize("kind", ["image", "polygons", "labelIds", "trainId"])
@pytest.mark.parametrize("what", ["pipe", "device"])
def test_pipes_and_devices_are_found_at_once(kind: str, what: str, root: Path, run_doctor: RunDoctor) -> None:
    path = {
        "image": FIRST.image(root),
        "polygons": FIRST.polygons(root),
        "labelIds": FIRST.official_mask(root, "labelIds"),
        "trainId": FIRST.generated_mask(root, "trainId"),
    }[kind]
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    (line,) = run_doctor(2).faults
    assert f"{path.name}: got a {'named pipe' if what == 'pipe' else 'device'}, expected a file" in line


def test_every_fault_at_once(root: Path, run_doctor: RunDoctor) -> None:
    for spoil in (cut, foreign_label_id, small_mask, unknown_label):
        spoil(root)
    SCENES[2].image(root).unlink()
    assert [line.partition(":")[0] for line in run_doctor(2).faults] == [
        "unpaired",
        "unreadable",
        "polygons",
        "ids",
        "size",
    ]
