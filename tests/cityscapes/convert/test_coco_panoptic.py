"""Panoptic predictions, as Mask2Former, mmdetection and Hugging Face write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.convert import main
from cityscapes.formats import panoptic_reader
from cityscapes.formats.panoptic import categories, ids_of
from cityscapes.labels import BY_ID

Ending = Callable[..., str]
Ids = npt.NDArray[np.uint32]

STEMS = ["frankfurt_000000_000294", "lindau_000001_000019"]
SEGMENTS = {1: 7, 2: 11, 3: 26, 4: 26, 5: 24}
"""Number of each segment -> its label id; there are two cars."""
NUMBERS = np.array([[0, 1, 1, 1, 1, 1], [2, 2, 3, 3, 4, 4], [2, 2, 3, 5, 5, 0]], np.uint32).repeat(4, 0).repeat(5, 1)
"""Number of the segment of each pixel."""
THINGS_FIRST = (24, 25, 26, 27, 28, 31, 32, 33, 7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23)


def save_rgb(path: Path, ids: Ids) -> None:
    """The PNG of `id2rgb` of panopticapi."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(path)


def mask2former(folder: Path) -> Path:
    """`predictions.json` of detectron2/evaluation/panoptic_evaluation.py (commit 405ef0d, COCOPanopticEvaluator).

    It has images and categories of the ground truth, label ids, and no `isthing` any more. The evaluator keeps its PNGs
    in a temporary folder; here they are next to the file.
    """
    annotations = []
    for stem in STEMS:
        save_rgb(folder / "panoptic" / f"{stem}_leftImg8bit.png", NUMBERS)
        segments = [{"id": number, "category_id": label_id} for number, label_id in SEGMENTS.items()]
        annotations.append({"image_id": stem, "file_name": f"{stem}_leftImg8bit.png", "segments_info": segments})
    images = [{"id": stem, "file_name": f"{stem}_gtFine_leftImg8bit.png", "width": 30, "height": 12} for stem in STEMS]
    return write(folder, {"annotations": annotations, "categories": categories(), "images": images})


def mmdetection(folder: Path, category_of: Callable[[int], int] = THINGS_FIRST.index) -> Path:
    """`<prefix>.panoptic.json` of mmdet/evaluation/metrics/coco_panoptic_metric.py (commit 018faae).

    Segment ids are class + 1000 x number of the instance (INSTANCE_OFFSET), images have numbers, and `isthing` remains.
    """
    annotations = []
    for place, _ in enumerate(STEMS):
        of = {number: category_of(label) + 1000 * number for number, label in SEGMENTS.items()}
        ids = np.array([0, *(of[number] for number in SEGMENTS)], np.uint32)[NUMBERS]
        save_rgb(folder / "panoptic" / f"{place:012d}.png", ids)
        segments = [
            {
                "id": of[number],
                "category_id": category_of(label),
                "area": int(np.count_nonzero(number == NUMBERS)),
                "isthing": int(BY_ID[label].has_instances),
            }
            for number, label in SEGMENTS.items()
        ]
        annotations.append({"image_id": place, "segments_info": segments, "file_name": f"{place:012d}.png"})
    return write(folder, {"annotations": annotations})


def hugging_face(folder: Path) -> Path:
    """The results of `post_process_panoptic_segmentation` (transformers, commit 002e15d), written by people themselves.

    The map of segment ids becomes a grey PNG, and each segment has `label_id` (a train id), `was_fused` and `score`.
    """
    annotations = []
    for stem in STEMS:
        (folder / "panoptic").mkdir(parents=True, exist_ok=True)
        Image.fromarray(NUMBERS.astype(np.uint8)).save(folder / "panoptic" / f"{stem}.png")
        segments = [
            {"id": number, "label_id": BY_ID[label].train_id, "was_fused": False, "score": 0.9}
            for number, label in SEGMENTS.items()
        ]
        annotations.append({"image_id": stem, "file_name": f"{stem}.png", "segments_info": segments})
    return write(folder, {"annotations": annotations})


def write(folder: Path, content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "predictions.json"
    path.write_text(json.dumps(content))
    return path


def names_of_images(folder: Path) -> Path:
    images = [{"id": number, "file_name": f"{stem}_leftImg8bit.png"} for number, stem in enumerate(STEMS)]
    path = folder / "images.json"
    path.write_text(json.dumps({"images": images}))
    return path


def assert_converted(new: Path, skipped: tuple[int, ...] = ()) -> None:
    """Assert that a folder has exactly the segments, as this project and the official scorer read them."""
    assert {path.name for path in new.iterdir()} == {"cityscapes_panoptic_val", "cityscapes_panoptic_val.json"}
    images, faults = panoptic_reader.parse((new / "cityscapes_panoptic_val.json").read_bytes())
    assert not faults
    assert [image.image_id for image in images] == STEMS
    for image in images:
        ids = ids_of(np.asarray(Image.open(new / "cityscapes_panoptic_val" / image.file_name)))
        kept = {number: label for number, label in SEGMENTS.items() if number not in skipped}
        assert [segment.category_id for segment in image.segments] == list(kept.values())
        for segment, number in zip(image.segments, kept, strict=True):
            np.testing.assert_array_equal(ids == segment.id, number == NUMBERS)
        np.testing.assert_array_equal(ids == 0, np.isin(NUMBERS, [0, *skipped]))


def argv(path: Path, new: Path, *more: str) -> list[str]:
    return ["coco_panoptic", str(path), str(path.parent / "panoptic"), str(new), "--workers", "1", *more]


@pytest.mark.parametrize(
    ("program", "read_as"),
    [
        (mask2former, "by the names of the categories"),
        (mmdetection, "things then stuff, the only numbering that fits 0, 2, 8, 10"),
        (lambda folder: mmdetection(folder, int), "label ids, the only numbering"),
        (hugging_face, "train ids, the only numbering that fits 0, 2, 11, 13"),
    ],
    ids=["mask2former", "mmdetection", "mmdetection with annotations", "hugging face"],
)
def test_predictions_of_programs(
    program: Callable[[Path], Path], read_as: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, new = program(tmp_path / "old"), tmp_path / "new"
    names = ["--annotations", str(names_of_images(tmp_path))] if 'image_id": 0' in path.read_text() else []
    assert main(argv(path, new, *names)) == 0
    assert_converted(new)
    printed = capsys.readouterr().out
    assert printed.startswith(f"category ids: {read_as}")
    assert f"wrote 10 objects of 2 images to {new}\n" in printed
    assert printed.endswith(
        f"next: python -m cityscapes.scoring --task panoptic --predictions {new} --root data --split val\n"
    )


def test_two_workers_write_the_same(tmp_path: Path) -> None:
    path = hugging_face(tmp_path / "old")
    for workers in ("1", "2"):
        assert main([*argv(path, tmp_path / workers), "--workers", workers]) == 0
    first, second = (sorted((tmp_path / workers).rglob("*.*")) for workers in ("1", "2"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_numbers_of_images_need_names(tmp_path: Path, error_of: Ending) -> None:
    path = mmdetection(tmp_path / "old")
    assert error_of(main, *argv(path, tmp_path / "new")) == (
        f"error: {path}: image_id of 2 images is a number without a name (0, 1), expected "
        "<city>_<6 digits>_<6 digits>; give the annotation file that has the names: --annotations\n"
    )
    assert not (tmp_path / "new").exists()


def test_an_ambiguous_numbering_is_refused(tmp_path: Path, error_of: Ending) -> None:
    path = mmdetection(tmp_path / "old")
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:  # stuff only, without `isthing`
        annotation["segments_info"] = annotation["segments_info"][:2]
        for segment in annotation["segments_info"]:
            del segment["isthing"]
    path.write_text(json.dumps(content))
    words = argv(path, tmp_path / "new", "--annotations", str(names_of_images(tmp_path)))
    message = error_of(main, *words)
    assert "category ids 8, 10 fit more than one numbering: train_ids: 0 to 18 (Hugging Face); " in message
    assert message.endswith("--categories train_ids|train_ids_from_1|things_then_stuff\n")
    assert main([*words, "--categories", "things_then_stuff", "--skip_faulty"]) == 0


def test_stuff_of_one_class_becomes_one_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = hugging_face(tmp_path / "old")
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["segments_info"][1]["label_id"] = 0  # two segments of road, because none were fused
    path.write_text(json.dumps(content))
    assert main(argv(path, tmp_path / "new")) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("category ids: train ids, the only numbering that fits 0, 11, 13\n")
    assert "note: merged 2 segments of stuff, which has one segment per class and image\n" in printed
    images, faults = panoptic_reader.parse((tmp_path / "new/cityscapes_panoptic_val.json").read_bytes())
    assert not faults
    assert [segment.category_id for segment in images[0].segments] == [7, 26, 26, 24]
    ids = ids_of(np.asarray(Image.open(tmp_path / "new/cityscapes_panoptic_val" / images[0].file_name)))
    np.testing.assert_array_equal(ids, np.where(NUMBERS == 2, 1, NUMBERS))


def test_the_flag_names_the_numbering(tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending) -> None:
    path = mmdetection(tmp_path / "old", lambda label: BY_ID[label].train_id + 1)
    words = argv(path, tmp_path / "new", "--annotations", str(names_of_images(tmp_path)))
    message = error_of(main, *words)
    assert "category ids 1, 3, 12, 14 fit more than one numbering" in message
    assert message.endswith("--categories train_ids|train_ids_from_1\n")
    assert main([*words, "--categories", "train_ids_from_1"]) == 0
    assert_converted(tmp_path / "new")
    assert capsys.readouterr().out.startswith("category ids: train ids from 1, stated by --categories\n")


def test_the_cities_name_the_split(tmp_path: Path) -> None:
    path = hugging_face(tmp_path / "old")
    content = json.loads(path.read_text())
    for number, annotation in enumerate(content["annotations"]):
        annotation["image_id"] = f"berlin_{number:06}_000019"
    write(tmp_path / "old", content)
    assert main(argv(path, tmp_path / "new")) == 0
    assert (tmp_path / "new" / "cityscapes_panoptic_test.json").is_file()


def test_the_flag_names_the_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = hugging_face(tmp_path / "old")
    assert main(argv(path, tmp_path / "new", "--split", "test")) == 0
    assert (tmp_path / "new" / "cityscapes_panoptic_test.json").is_file()
    expected = f"next: python -m cityscapes.submission check {tmp_path / 'new'} --task panoptic\n"
    assert capsys.readouterr().out.endswith(expected)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"id": 0}, "segment 4: id is 0, expected 1 to 16,777,215"),
    ({"id": 1 << 24}, "segment 4: id is 16777216, expected 1 to 16,777,215"),
    ({"id": "5"}, "segment 4: id is '5', expected"),
    ({"id": 5.0}, "segment 4: id is 5.0, expected"),
    ({"id": 3}, "segment 4: id 3 appears twice"),
    ({"id": 77}, "segment 4: id 77 has no pixel in the PNG"),
    ({"label_id": 255}, "segment 4: got category 255, expected one of: 0 road, 1 sidewalk"),
    ({"label_id": None}, "segment 4: got category None, expected one of"),
]


@pytest.mark.parametrize(("change", "expected"), FAULTS, ids=[str(change) for change, _ in FAULTS])
def test_a_faulty_segment_is_listed_and_can_be_skipped(
    change: dict[str, Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    path, new = hugging_face(tmp_path / "old"), tmp_path / "new"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["segments_info"][4] |= change
    path.write_text(json.dumps(content))
    words = argv(path, new, "--categories", "train_ids")
    png = tmp_path / "old/panoptic/frankfurt_000000_000294.png"
    lines = error_of(main, *words).splitlines()
    assert lines[0].startswith(f"error: {path}: annotation 0 (frankfurt_000000_000294): ")
    assert expected.format(png=png) in lines[0]
    strange = "id" in change
    assert len(lines) == (4 if strange else 2)
    if strange:
        assert lines[1].startswith(
            f"error: {png}: pixels of segments 5 without an entry in predictions.json; "
        ) or lines[2].startswith(f"error: {png}: pixels of segments 5 without an entry in predictions.json; ")
    assert not new.exists()
    assert main([*words, "--skip_faulty"]) == 0
    assert_converted(new, skipped=(5,))
    assert capsys.readouterr().err.count("warning: skipped: ") == len(lines)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../predictions.png", "file_name is '../predictions.png', expected a path in the folder"),
        ("/etc/passwd", "file_name is '/etc/passwd', expected a path in the folder"),
        ("a\\b.png", "file_name is 'a\\\\b.png', expected a path in the folder"),
        ("", "file_name is '', expected a path in the folder"),
        ("none.png", "none.png: no such file"),
        (None, "expected image_id, file_name and segments_info"),
    ],
)
def test_hostile_names_of_files(name: str | None, expected: str, tmp_path: Path, error_of: Ending) -> None:
    path = hugging_face(tmp_path / "old")
    content = json.loads(path.read_text())
    content["annotations"][1]["file_name"] = name
    path.write_text(json.dumps(content))
    (line,) = error_of(main, *argv(path, tmp_path / "new")).splitlines()
    assert expected in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_png_is_reported(content: bytes, tmp_path: Path, error_of: Ending) -> None:
    path = hugging_face(tmp_path / "old")
    png = tmp_path / "old/panoptic/lindau_000001_000019.png"
    png.write_bytes(content)
    (line,) = error_of(main, *argv(path, tmp_path / "new")).splitlines()
    assert line.startswith(f"error: {png}: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "expected an object with a list of annotations, got []"),
        ({"annotations": {}}, "annotations is {}"),
        ({"annotations": []}, "no annotation in it; predict first"),
        ({"annotations": [3]}, "annotation 0: got 3, expected image_id, file_name and segments_info"),
    ],
)
def test_other_files_are_refused(content: Any, expected: str, tmp_path: Path, error_of: Ending) -> None:
    path = hugging_face(tmp_path / "old")
    path.write_text(json.dumps(content))
    assert expected in error_of(main, *argv(path, tmp_path / "new"))


def test_a_missing_folder_is_reported(tmp_path: Path, error_of: Ending) -> None:
    path = hugging_face(tmp_path / "old")
    (tmp_path / "old/panoptic").rename(tmp_path / "moved")
    assert "no such folder; give the folder with the PNGs of predictions.json" in error_of(
        main, *argv(path, tmp_path / "n")
    )
