"""Error messages of the instance task for input that it must refuse, and warnings."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityscapes.formats import instance as formats
from cityscapes.formats.instance import MAX_LINES
from cityscapes.predictions import FIX_COMMAND
from cityscapes.scoring import main, scene_files
from cityscapes.scoring.instance import measure
from engine.errors import InputError
from engine.files import png_chunks
from engine.files.images import write_png
from tests.cityscapes.drawn_instances import InstanceFolder, Prediction, perfect
from tests.unreadable import refusal, refused


@pytest.fixture
def folder(tmp_path: Path) -> InstanceFolder:
    """Three scenes, of which the first is faulty in each test."""
    folder = InstanceFolder(tmp_path)
    for number in range(3):
        folder.add(number, perfect)
    return folder


def faults(folder: InstanceFolder, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """Error lines of the command, with short names of the folders."""
    capsys.readouterr()
    assert main(folder.argv(*more)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.replace(f"{folder.predictions}", "P").replace(f"{folder.root}", "R").splitlines()
    assert all(line.startswith("error: ") for line in lines), printed.err
    return [line.removeprefix("error: ") for line in lines]


STEM = "ulm_000000_000019"
TEXT = f"P/{STEM}_pred.txt"
MASK = f"P/masks/{STEM}_0.png"
NOT_THERE = (
    f"no such file, but line 1 of {STEM}_pred.txt names it; copy the mask there, or correct the paths: {FIX_COMMAND}"
)
LABELS = "24 person, 25 rider, 26 car, 27 truck, 28 bus, 31 train, 32 motorcycle, 33 bicycle"


def test_a_missing_text_file(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.pair(0).text.unlink()
    assert faults(folder, capsys) == [
        f"P: no prediction of 1 scene ({STEM}); write a text file for every scene of the val split, an empty one if "
        "nothing is found in it"
    ]


def test_several_text_files_of_a_scene(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.predictions / f"{STEM}.txt").touch()
    assert faults(folder, capsys) == [
        f"P: several predictions of 1 scene ({STEM}.txt and {STEM}_pred.txt); keep one of each scene"
    ]


def test_no_text_file_at_all(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        folder.pair(number).text.unlink()
    assert faults(folder, capsys) == [
        "P: got predictions of the pixel task, expected those of the instance task; give --task pixel"
    ]


def test_results_of_coco_lead_to_the_converter(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    convert = "if these are results of COCO, convert them: python -m cityscapes.convert coco_instances"
    results = folder.predictions / "coco_instances_results.json"
    shutil.rmtree(folder.predictions)
    folder.predictions.mkdir()
    results.write_text("[]")
    assert faults(folder, capsys) == [f"P: no text file in it, but {results.name}; {convert} P/{results.name} NEW"]
    with pytest.raises(InputError) as error:
        measure(results, folder.root, "val")
    assert str(error.value) == f"{results}: is a file; {convert} {results} NEW"


def test_text_files_of_other_scenes(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        folder.pair(number).text.unlink()
    (folder.predictions / "readme.txt").touch()
    assert faults(folder, capsys)[-1] == (
        "P/readme.txt: does not belong to a scene of the val split; choose the split that was predicted, and start "
        "file names with <city>_<6 digits>_<6 digits>"
    )


def test_masks_of_instance_ids_are_needed(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.pair(0).instance_ids
    path.rename(path.with_name(path.name.replace("instanceIds", "labelIds")))
    name = f"R/gtFine/val/ulm/{STEM}_gtFine_instanceIds.png"
    assert faults(folder, capsys) == [f"{name}: no such file; {scene_files.AGAIN}"]
    for number in (1, 2):
        folder.pair(number).instance_ids.unlink()
    (line,) = faults(folder, capsys)
    assert line.startswith("R/gtFine/val/*/*_gtFine_instanceIds.png: no such masks; scoring needs the official masks")


def test_a_split_without_instances(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        write_png(folder.pair(number).instance_ids, np.full((48, 64), 26, np.uint16))
    (line,) = faults(folder, capsys)
    assert line.startswith("R: no instance of 100 pixels in the val masks; scoring needs the official masks")


def test_damaged_ground_truth(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.pair(0).instance_ids
    path.write_bytes(path.read_bytes()[:-20])
    name = f"R/gtFine/val/ulm/{path.name}"
    assert faults(folder, capsys) == [f"{name}: damaged image (cut off); unpack, download or make it again"]


@pytest.mark.parametrize("instance_id", [34, 999, 34000, 65535])
def test_unknown_instance_ids(instance_id: int, folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.pair(0).instance_ids
    write_png(path, np.full((48, 64), instance_id, np.uint16))
    assert faults(folder, capsys) == [
        f"R/gtFine/val/ulm/{path.name}: got instance id {instance_id}, whose label does not exist; "
        "unpack gtFine_trainvaltest.zip again"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "masks/a.png 24",
            "got 2 fields in 'masks/a.png 24', expected: path label-id confidence, with single blanks; write each line "
            f"as the server reads it: {FIX_COMMAND}",
        ),
        (
            "",
            "got an empty line, expected: path label-id confidence, with single blanks; write each line as the server "
            f"reads it: {FIX_COMMAND}",
        ),
        (" 24 0.5", "got '', expected the path of a mask; name a mask in each line"),
        (
            "/a.png 24 0.5",
            "got the absolute path '/a.png', expected one relative to the text file; write paths relative to the "
            f"folder of the text file: {FIX_COMMAND}",
        ),
        (
            "../a.png 24 0.5",
            "got '../a.png', expected a mask within the folder of the predictions; move the masks into the folder of "
            "the predictions",
        ),
        ("a.png 255 0.5", f"got label id '255', expected one of {LABELS}; write label ids, not train ids"),
        (
            "a.png 24 nan",
            "got confidence 'nan', expected a number; write a finite number, for example 0.87",
        ),
    ],
)
def test_faulty_lines(line: str, message: str, folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    text = folder.pair(0).text
    good = text.read_text()
    text.write_text(f"{line}\n{good}{line}\n")
    last = good.count("\n") + 2
    assert faults(folder, capsys) == [f"{TEXT}: line 1: {message}", f"{TEXT}: line {last}: {message}"]


def test_text_that_is_not_utf_8(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.pair(0).text.write_bytes(b"\xff")
    assert faults(folder, capsys) == [f"{TEXT}: line 1: byte 0 is not UTF-8 text, expected UTF-8; save it as UTF-8"]


def test_a_hundred_thousand_lines(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.pair(0).text.write_text("a.png 24 0.5\n" * 100_000)
    assert faults(folder, capsys) == [
        f"{TEXT}: line {MAX_LINES + 1}: got 100,000 lines, expected at most 10,000; keep the 10,000 most confident "
        "instances, or fewer"
    ]


def test_as_many_lines_as_are_read(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.pair(0).text.write_text("".join(f"{number}.png 24 0.5\n" for number in range(MAX_LINES)))
    lines = faults(folder, capsys)
    remedy = f"copy the mask there, or correct the paths: {FIX_COMMAND}"
    assert lines[0] == f"P/0.png: no such file, but line 1 of {STEM}_pred.txt names it; {remedy}"
    assert lines[5:] == [f"and 9995 more like these; {remedy}"]


def test_a_huge_text_file(
    folder: InstanceFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.pair(0).text.open("r+b") as file:
        file.truncate(1 << 32)
    assert faults(folder, capsys) == [f"{TEXT}: got 4,294,967,296 bytes, expected at most 16,777,216; write it again"]


def test_a_text_file_that_is_a_folder(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.pair(0).text.unlink()
    folder.pair(0).text.mkdir()
    assert "P: no prediction of" in faults(folder, capsys)[0]


def write_bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def huge(width: int, height: int) -> bytes:
    """A PNG whose header states this size, without pixels."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"")))
    return png_chunks.SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (*chunks, (b"IEND", b""))
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 4
    path.write_bytes(content)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def enlarge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 32)


AGAIN = "unpack, download or make it again"
OTHER_SIZE = "expected 64 x 48 like the ground truth; write each mask at the size of the image"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, NOT_THERE),
        (cut, f"damaged image (cut off); {AGAIN}"),
        (flip, f"damaged image (wrong checksum in chunk IDAT); {AGAIN}"),
        (write_bytes(b""), f"the file is empty; {AGAIN}"),
        (write_bytes(b"text"), f"the file (4 bytes) is not an image; {AGAIN}"),
        (write_bytes(huge(64, 48)), f"damaged image (the compressed pixels are damaged); {AGAIN}"),
        (write_bytes(huge(100_000, 10_000)), f"got 100000 x 10000 pixels, {OTHER_SIZE}"),
        (write_bytes(formats.encode_mask(np.ones((48, 63), np.bool_))), f"got 63 x 48 pixels, {OTHER_SIZE}"),
        (make_folder, "got a folder, expected a file; give a regular file"),
        (link_to_itself, "cannot read it (Too many levels of symbolic links); check its permissions and the disk"),
        (enlarge, "got 4,294,967,296 bytes, expected at most 67,108,864; write it again"),
    ],
)
def test_faulty_masks(
    damage: Callable[[Path], None], message: str, folder: InstanceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder.mask(folder.pair(0)))
    assert faults(folder, capsys) == [f"{MASK}: {message}"]


def test_masks_outside_of_the_folder_through_links(
    folder: InstanceFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = folder.pair(0)
    mask = folder.mask(pair)
    mask.rename(tmp_path / "mask.png")
    mask.symlink_to(tmp_path / "mask.png")
    where = f"a link leads out of the folder of the predictions (line 1 of {STEM}_pred.txt); copy the masks there"
    assert faults(folder, capsys) == [f"{MASK}: {where}"]
    (folder.predictions / "out").symlink_to(tmp_path)
    pair.text.write_text("out/mask.png 24 0.5\n")
    assert faults(folder, capsys) == [f"P/out/mask.png: {where}"]
    (folder.predictions / "masks/inner.png").write_bytes((tmp_path / "mask.png").read_bytes())
    (folder.predictions / "link.png").symlink_to(folder.predictions / "masks/inner.png")
    pair.text.write_text("link.png 24 0.5\n")
    assert main(folder.argv()) == 0


def test_folders_that_cannot_be_listed(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with refused(folder.predictions / "masks"):
        assert main(folder.argv()) == 2
    assert capsys.readouterr().err == refusal(folder.predictions / "masks") + "\n"


def test_faults_of_all_kinds_are_listed_together(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = (folder.pair(number) for number in range(3))
    folder.mask(first).unlink()
    cut(folder.mask(first, 1))
    first.text.write_text(first.text.read_text() + "a b c d\n")
    second.text.unlink()
    third.instance_ids.write_bytes(b"")
    cut(folder.mask(third))
    lines = faults(folder, capsys, "--workers", "2")
    assert len(lines) == 6
    for text in (
        "4 fields",
        "no such file",
        f"{STEM}_1.png: damaged",
        "no prediction",
        "is empty",
        "19_0.png: damaged",
    ):
        assert sum(text in line for line in lines) == 1, text


def test_train_ids_are_recognised(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        pair = folder.pair(number)
        mask = folder.mask(pair).name
        pair.text.write_text(f"masks/{mask} 13 0.5\n")
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err == (
        f"warning: {folder.predictions}: 3 masks not scored, whose label ids have no instances (3 of 13 fence); these "
        "look like train ids; convert them to label ids: python -m cityscapes.submission fix PATH NEW\n"
    )


def test_labels_without_instances_and_empty_masks_are_reported(
    folder: InstanceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = folder.pair(0)
    nothing_there = np.zeros((48, 64), np.bool_)
    folder.write(pair, [Prediction(29, 0.5, ~nothing_there), Prediction(7, 1, ~nothing_there)])
    folder.mask(pair).unlink()  # not even read
    folder.write(folder.pair(1), [Prediction(24, 0.5, nothing_there)])
    (folder.predictions / "notes.txt").touch()
    (folder.predictions / "bonn_000000_000000.txt").touch()
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err.replace(str(folder.predictions), "P").splitlines() == [
        f"warning: P: 1 prediction not scored, whose scenes are not in {folder.root}/gtFine/val "
        "(bonn_000000_000000); unpack gtFine_trainvaltest.zip again if they belong to this split",
        "warning: P: 1 text file not scored, whose names do not start with <city>_<6 digits>_<6 digits> (notes.txt)",
        "warning: P: 2 masks not scored, whose label ids have no instances (1 of 29 caravan, 1 of 7 road); "
        "those with instances are 24 to 28 and 31 to 33",
        "warning: P: 1 mask not scored, without a pixel; leave them out",
    ]


def test_scenes_without_image_and_prediction_are_left_out(
    folder: InstanceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(folder.scene(1).image(folder.root), np.zeros((48, 64, 3), np.uint8))
    folder.pair(0).text.unlink()
    assert main(folder.argv()) == 0
    assert "2 scenes of val, not the official 500" in (out := capsys.readouterr().out)
    assert "1 scene without image and prediction left out" in out


@pytest.mark.parametrize("label", [13, 0])
def test_next_to_scored_masks_ids_are_label_ids(
    label: int, folder: InstanceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = folder.pair(0)
    first, *others = pair.text.read_text().splitlines()
    pair.text.write_text("\n".join([f"{first.split()[0]} {label} 0.5", *others]))
    assert main(folder.argv()) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "no instances" in line)
    assert line.endswith("; those with instances are 24 to 28 and 31 to 33")
