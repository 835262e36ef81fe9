"""Files of panoptic predictions that are refused, with the message of each fault."""

import errno
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cityscapes.labels import BY_ID
from cityscapes.layout import Scene
from cityscapes.scoring import main
from cityscapes.scoring.panoptic import measure, truth
from cityscapes.scoring.panoptic.pairs import find_files
from engine.arrays import MIB
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from tests.cityscapes.drawn_panoptic import (
    PanopticFolder,
    perfect,
    shifted,
)
from tests.cityscapes.scoring.panoptic.scored import STEM, assert_official, entry, faults, png
from tests.conftest import Ending


def test_the_command_reports_faults_without_a_traceback(predicted: PanopticFolder, error_of: Ending) -> None:
    png(predicted).unlink()
    assert error_of(main, *predicted.argv()) == (
        f"error: {png(predicted)}: no such file, but cityscapes_panoptic_val.json names it; "
        "write the PNG of each image\n"
    )


def test_all_pngs_in_another_folder_are_one_message(predicted: PanopticFolder) -> None:
    names = ", ".join(annotation["file_name"] for annotation in predicted.annotations)
    number = len(predicted.annotations)
    predicted.pngs.rename(predicted.pngs.with_name("pngs"))
    assert faults(predicted) == [
        f"{predicted.json.parent}: none of the {number} PNGs that {predicted.json.name} names is there ({names}); "
        "name their folder cityscapes_panoptic_val: python -m cityscapes.submission fix PATH NEW"
    ]


def test_numbers_of_images_lead_to_the_converter(predicted: PanopticFolder) -> None:
    for number, annotation in enumerate(predicted.annotations):
        annotation["image_id"] = number
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: annotation {number}: image_id: expected a string, got {number}; name the images: "
        "python -m cityscapes.convert coco_panoptic JSON DIR NEW"
        for number in range(len(predicted.annotations))
    ]


def test_predictions_in_a_folder_below_are_named(predicted: PanopticFolder) -> None:
    above = predicted.json.parent.parent
    with pytest.raises(InputError) as error:
        find_files(above, "val")
    assert str(error.value) == (
        f"{above}: no cityscapes_panoptic_val.json in it, but in {predicted.json.parent}; give that folder"
    )


NO_FILE = "no such file, but cityscapes_panoptic_val.json names it; write the PNG of each image"
IMPOSSIBLE = "expected a path inside the folder, got "


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.png", NO_FILE), ("a/" * 3000, NO_FILE), ("x" * 5000, IMPOSSIBLE), ("\ud800.png", IMPOSSIBLE)],
    ids=["missing", "deep", "long", "half of a surrogate pair"],
)
def test_a_png_that_is_not_there_is_one_message(predicted: PanopticFolder, name: str, message: str) -> None:
    entry(predicted)["file_name"] = name
    predicted.write()
    (line,) = faults(predicted)
    assert message in line
    assert len(line) < 500


def test_a_png_without_permission_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", denied)
    assert truth.exists(Path("a.png"))


def test_the_folder_of_the_pngs_or_the_json_file_in_place_of_their_folder(
    predicted: PanopticFolder, error_of: Ending
) -> None:
    folder = predicted.json.parent
    argv = predicted.argv()
    place = argv.index(str(folder))
    argv[place] = str(predicted.pngs)
    assert error_of(main, *argv) == (
        f"error: {predicted.pngs}: no cityscapes_panoptic_val.json in it, but in {folder}; give that folder\n"
    )
    argv[place] = str(predicted.json)
    assert error_of(main, *argv) == f"error: {predicted.json}: is a file; give the folder that has it: {folder}\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_png_that_is_no_file_is_a_message(predicted: PanopticFolder, make: Callable[[Path], None]) -> None:
    png(predicted).unlink()
    make(png(predicted))
    (line,) = faults(predicted)
    assert line.startswith(f"{png(predicted)}: ")


@pytest.mark.parametrize("name", ["/etc/passwd", "../cityscapes_panoptic_val.json", ""])
def test_a_png_outside_the_folder_is_refused(predicted: PanopticFolder, name: str) -> None:
    entry(predicted)["file_name"] = name
    predicted.write()
    assert any("expected a path inside the folder" in line for line in faults(predicted))


def test_segments_in_the_png_only_are_listed(predicted: PanopticFolder) -> None:
    removed = [predicted.annotations[0]["segments_info"].pop()["id"] for _ in range(2)]
    predicted.annotations[1]["segments_info"].pop()
    predicted.write()
    first, second = faults(predicted)
    assert first == (
        f"{png(predicted)}: segment ids {removed[1]}, {removed[0]} not in cityscapes_panoptic_val.json; "
        "list each segment of the PNG, and write 0 where there is none"
    )
    assert "ulm_000001_000019_panoptic.png: segment id " in second


def test_segments_in_the_json_only_are_listed(predicted: PanopticFolder) -> None:
    entry(predicted)["segments_info"] += [{"id": 900_000 + number, "category_id": 7} for number in range(30)]
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: segment ids {', '.join(str(900_000 + number) for number in range(20))}, ... (30 in all) "
        f"not in {STEM}_panoptic.png; leave out segments without pixels"
    ]


def test_unknown_categories_are_listed_with_all_other_faults(predicted: PanopticFolder) -> None:
    entry(predicted)["segments_info"][0]["category_id"] = 29
    entry(predicted)["segments_info"][1]["category_id"] = 99
    last = predicted.annotations[1]["segments_info"].pop()
    predicted.write()
    found = faults(predicted)
    assert [line.split("; ")[0] for line in found] == [
        f"{predicted.json}: {STEM}: segment {entry(predicted)['segments_info'][0]['id']}: unknown category_id 29 "
        "(caravan, which is not scored)",
        f"{predicted.json}: {STEM}: segment {entry(predicted)['segments_info'][1]['id']}: unknown category_id 99",
        f"{predicted.pngs}/ulm_000001_000019_panoptic.png: segment id {last['id']} not in cityscapes_panoptic_val.json",
    ]


def test_train_ids_are_recognised(predicted: PanopticFolder) -> None:
    for annotation in predicted.annotations:
        for segment in annotation["segments_info"]:
            segment["category_id"] = BY_ID[segment["category_id"]].train_id
    predicted.write()
    (line,) = faults(predicted)
    assert line.endswith(
        "these are train ids, expected label ids; fix the predictions: python -m cityscapes.submission fix PATH NEW"
    )


def test_a_missing_image_is_named(predicted: PanopticFolder) -> None:
    predicted.annotations.pop()
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: no prediction of 1 scene (ulm_000001_000019); predict every scene of the val split"
    ]


def test_several_entries_of_an_image_are_refused(predicted: PanopticFolder) -> None:
    predicted.annotations.append(entry(predicted))
    predicted.write()
    assert faults(predicted) == [
        f"{predicted.json}: {STEM}: two annotations have this image_id; write one annotation per image"
    ]


def test_a_png_of_another_size_is_refused(predicted: PanopticFolder) -> None:
    write_png(png(predicted), np.zeros((15, 20, 3), np.uint8))
    assert faults(predicted) == [
        f"{png(predicted)}: got 20 x 15 pixels, expected 41 x 30 like the ground truth; predict at the size of the "
        "image: enlarge the scores before segments are formed"
    ]


def test_a_png_of_a_billion_pixels_is_refused_before_it_is_decoded(predicted: PanopticFolder) -> None:
    content = bytearray(png(predicted).read_bytes())
    content[16:24] = struct.pack(">II", 40_000, 40_000)
    png(predicted).write_bytes(content)
    tracemalloc.start()
    (line,) = faults(predicted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.startswith(f"{png(predicted)}: got 40000 x 40000 pixels, expected 41 x 30 like the ground truth; ")
    assert peak < 4 * MIB


def test_an_image_of_another_format_and_size_is_refused_before_it_is_decoded(predicted: PanopticFolder) -> None:
    Image.new("RGB", (8_000, 8_000)).save(png(predicted), "TIFF", compression="tiff_adobe_deflate")
    faults(predicted)  # imports the reader of the format
    tracemalloc.start()
    (line,) = faults(predicted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.startswith(f"{png(predicted)}: got 8000 x 8000 pixels, expected 41 x 30 like the ground truth; ")
    assert peak < 16 * MIB


def test_files_of_a_terabyte_are_refused_before_they_are_read(predicted: PanopticFolder) -> None:
    with png(predicted).open("wb") as file:
        file.truncate(1 << 40)
    assert faults(predicted) == [
        f"{png(predicted)}: got 1,099,511,627,776 bytes, expected at most {64 * MIB:,}; write it again"
    ]
    with predicted.json.open("wb") as file:
        file.truncate(1 << 40)
    assert faults(predicted) == [
        f"{predicted.json}: got 1,099,511,627,776 bytes, expected at most {128 * MIB:,}; write it again"
    ]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    peaks = []
    for number in (2, 12):
        folder = PanopticFolder(tmp_path / str(number))
        for scene in range(number):
            folder.add(scene, shifted, labels=[7, 26], size=(300, 400))
        measure(folder.predictions, folder.root, folder.split)  # imports and caches
        tracemalloc.start()
        measure(folder.predictions, folder.root, folder.split)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 10 * 20_000  # an image has 120,000 pixels of 2 and 4 bytes


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "LA", "1"])
def test_a_png_that_is_not_rgb_is_refused(predicted: PanopticFolder, mode: str) -> None:
    Image.new(mode, (41, 30)).save(png(predicted))
    (line,) = faults(predicted)
    assert line == (
        f"{png(predicted)}: image of mode {mode}, expected RGB; write the id of each segment as "
        "red + 256 x green + 65,536 x blue: python -m cityscapes.convert coco_panoptic JSON DIR NEW"
    )


def test_alpha_is_ignored_as_in_the_official_script(predicted: PanopticFolder) -> None:
    with Image.open(png(predicted)) as image:
        image.convert("RGBA").save(png(predicted))
    with Image.open(png(predicted)) as image:
        assert image.mode == "RGBA"
    assert assert_official(predicted)["All"]["pq"] == 1.0


def test_a_damaged_png_is_refused(predicted: PanopticFolder) -> None:
    content = bytearray(png(predicted).read_bytes())
    content[len(content) // 2] ^= 1
    png(predicted).write_bytes(content)
    assert faults(predicted) == [
        f"{png(predicted)}: damaged image (wrong checksum in chunk IDAT); unpack, download or make it again"
    ]


def test_an_instance_id_without_a_label_is_refused(predicted: PanopticFolder) -> None:
    path = Scene("val", "ulm", STEM).official_mask(predicted.root, "instanceIds")
    ids = read_ids(path).copy()
    ids[0, :2] = 99, 34_001
    write_png(path, ids)
    assert faults(predicted) == [
        f"{path}: instance ids 99, 34001, expected label ids up to 33, and 1000 x label id + number for single "
        "objects; unpack gtFine_trainvaltest.zip again"
    ]


def test_faults_of_all_images_are_reported_together(folder: PanopticFolder) -> None:
    for number in range(5):
        folder.add(number, perfect)
    paths = [folder.pngs / annotation["file_name"] for annotation in folder.annotations]
    paths[0].write_bytes(b"no image")
    paths[1].unlink()
    Image.new("L", (41, 30)).save(paths[2])
    folder.annotations[3]["segments_info"].pop()
    folder.annotations.pop()
    folder.write()
    found = faults(folder)
    for text in ("is not an image", "no such file", "image of mode L", " not in cityscapes", "no prediction of"):
        assert sum(text in line for line in found) == 1, text
    assert len(found) == 5
