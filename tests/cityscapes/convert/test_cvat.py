"""Annotations of CVAT in its COCO 1.0 export -> polygon files that `generate_gt.py` draws."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import generate_gt
from cityscapes.convert import main
from cityscapes.ground_truth import polygons
from engine.files.images import read_ids
from tests.cityscapes.convert import coco_api

Ending = Callable[..., str]

NAMES = ("road", "car", "person")
STEM = "aachen_000000_000019"


def cvat(*annotations: Any, images: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """`instances_default.json`: datumaro/plugins/coco_format/converter.py of cvat-ai/datumaro, commit 0670169.

    Category ids begin with 1, in the order of the labels of the task.
    """
    image = {"id": 1, "width": 20, "height": 12, "file_name": f"{STEM}_leftImg8bit.png", "license": 0}
    more = {"flickr_url": "", "coco_url": "", "date_captured": 0}
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [{"id": 1 + place, "name": name, "supercategory": ""} for place, name in enumerate(NAMES)],
        "images": [{**image, **more}] if images is None else images,
        "annotations": list(annotations),
    }


def annotation(name: str, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "image_id": 1,
        "category_id": 1 + NAMES.index(name),
        "segmentation": segmentation,
        "area": 6.0,
        "bbox": [1.0, 1.0, 4.0, 4.0],
        "iscrowd": int(isinstance(segmentation, dict)),
        "attributes": {"occluded": False},
        **more,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def brush() -> coco_api.Mask:
    mask = np.zeros((12, 20), np.bool_)
    mask[6:11, 8:16] = True
    mask[7:9, 10:12] = False
    return mask


def test_annotations_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = cvat(
        annotation("road", [[0.0, 1.0, 20.0, 1.0, 20.0, 12.0, 0.0, 12.0]]),
        annotation("car", [[2.4, 2.9, 6.1, 2.0, 6.6, 5.2, 2.0, 5.0]]),
        annotation("person", coco_api.uncompressed(brush())),  # a mask of the brush
        annotation("car", [], bbox=[15.0, 2.0, 3.0, 2.0]),  # a rectangle
    )
    path, new = write(tmp_path / "instances_default.json", content), tmp_path / "new"
    assert main(["cvat", str(path), str(new), "--workers", "1"]) == 0
    assert capsys.readouterr().out == (
        f"wrote 4 objects of 1 image to {new}\nnext: python generate_gt.py --polygons {new}\n"
    )
    assert generate_gt.main(["--polygons", str(new), "--instance_ids", "--workers", "1"]) == 0
    instance_ids = read_ids(new / "generated_gt" / f"{STEM}_instanceId.png")
    np.testing.assert_array_equal(instance_ids == 24_000, brush())
    assert (instance_ids[2:5, 2:7] == 26_000).all()
    assert (instance_ids[2:4, 15:19] == 26_001).all()
    assert instance_ids[0].tolist() == [0] * 20
    assert (instance_ids[1] == 7).all()


def test_later_annotations_cover_earlier_ones(tmp_path: Path) -> None:
    box = [[0, 0, 20, 0, 20, 12, 0, 12]]
    path = write(tmp_path / "a.json", cvat(annotation("road", box), annotation("car", box)))
    assert main(["cvat", str(path), str(tmp_path / "new")]) == 0
    drawn = polygons.draw(polygons.read(tmp_path / "new" / f"{STEM}_gtFine_polygons.json"))
    assert (drawn.label_ids == 26).all()


def test_several_parts_become_several_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [[1, 1, 3, 1, 3, 3], [8, 1, 11, 1, 11, 3]]
    path = write(tmp_path / "a.json", cvat(annotation("car", parts)))
    assert main(["cvat", str(path), str(tmp_path / "new")]) == 0
    assert "note: 1 annotation of several parts: each part became an object" in capsys.readouterr().out
    assert len(polygons.read(tmp_path / "new" / f"{STEM}_gtFine_polygons.json").shapes) == 2


def test_folders_of_images_are_kept(tmp_path: Path) -> None:
    images = [{"id": place, "width": 20, "height": 12, "file_name": f"{name}/a.png"} for place, name in enumerate("xy")]
    path = write(tmp_path / "a.json", cvat(images=images))
    assert main(["cvat", str(path), str(tmp_path / "new"), "--workers", "2"]) == 0
    assert sorted(file.relative_to(tmp_path / "new").as_posix() for file in (tmp_path / "new").rglob("*.json")) == [
        "x/a_gtFine_polygons.json",
        "y/a_gtFine_polygons.json",
    ]


TRIANGLE = [[1, 1, 5, 1, 5, 5]]
FAULTS: list[tuple[Any, str]] = [
    (3, "got 3, expected image_id, category_id and segmentation"),
    (annotation("car", TRIANGLE, image_id=7), "image_id is 7, expected the id of one of the usable images"),
    (annotation("car", TRIANGLE, image_id=[1]), "image_id is [1], expected the id of one of the usable images"),
    (
        annotation("car", TRIANGLE, category_id=9),
        f"({STEM}): category_id is 9, expected the id of one of",
    ),
    (annotation("car", TRIANGLE, category_id={}), f"({STEM}): category_id is {{}}, expected the id"),
    (annotation("car", [[1, 1, 5, 1]]), f"({STEM}), car: polygon is a list of 4 values, expected x, y, x, y, ..."),
    (annotation("car", [3]), f"({STEM}), car: polygon is 3, expected"),
    (annotation("car", "x"), f"({STEM}), car: segmentation is 'x', expected polygons or an RLE"),
    (annotation("car", [], bbox=None), f"({STEM}), car: neither a segmentation nor a box; bbox is None"),
    (annotation("car", [], bbox=[1, 1, 0.2, 0.3]), f"({STEM}), car: a polygon of 0 different pixels"),
    (annotation("car", [[1, 1, 5, float("inf"), 5, 5]]), f"({STEM}), car: a coordinate is inf"),
    (annotation("car", {"size": [12, 20], "counts": [239]}), f"({STEM}), car: RLE counts of 239 pixels, expected 240"),
    (annotation("car", {"size": [20, 12], "counts": [240]}), f"({STEM}), car: an RLE of 12 x 20, expected 20 x 12"),
    (annotation("car", {"size": [12, 20], "counts": [240]}), f"({STEM}), car: a mask without a pixel"),
]


@pytest.mark.parametrize(("faulty", "expected"), FAULTS, ids=[text for _, text in FAULTS])
def test_a_faulty_annotation_is_listed_and_can_be_skipped(
    faulty: Any, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    path = write(tmp_path / "a.json", cvat(annotation("road", TRIANGLE), faulty))
    words = ["cvat", str(path), str(tmp_path / "new"), "--workers", "1"]
    (line,) = error_of(main, *words).splitlines()
    assert line.startswith(f"error: {path}: annotations[1]")
    assert expected in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json"]
    assert main([*words, "--skip_faulty"]) == 0
    assert capsys.readouterr().err == line.replace("error: ", "warning: skipped: ") + "\n"
    shapes = polygons.read(tmp_path / "new" / f"{STEM}_gtFine_polygons.json").shapes
    assert [entry.label for entry in shapes] == ["road"]


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "/etc/a.png",
        "x/../../a.png",
        "C:\\a.png",
        "a\nb.png",
        "..\\a.png",
        "\\a.png",
        "x" * 300 + ".png",
        "",
    ],
)
def test_hostile_names_of_images(name: str, tmp_path: Path, error_of: Ending) -> None:
    images = [{"id": 1, "width": 20, "height": 12, "file_name": name}]
    path = write(tmp_path / "a.json", cvat(images=images))
    message = error_of(main, "cvat", path, tmp_path / "new")
    assert "images[0]: file_name is " in message
    assert "expected a path within a folder; rename the image" in message
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"images": [{"id": 1, "width": 0, "height": 12, "file_name": "a.png"}]}, "images[0] (a): an image of 0 x 12"),
        ({"images": [{"id": 1, "width": 5, "height": 1e9, "file_name": "a.png"}]}, "an image of 5 x 1000000000.0"),
        ({"images": [{"id": None, "file_name": "a.png"}]}, "expected a new id and file_name"),
        ({"images": []}, "no image in it"),
        ({"images": None}, "images is None; give a COCO file that has it"),
        ({"annotations": None}, "annotations is None"),
        ({"categories": None}, "categories is None"),
        ({"categories": [{"id": 1}]}, "categories[0]: got {'id': 1}, expected a new id and a name"),
    ],
)
def test_other_files_are_refused(change: dict[str, Any], expected: str, tmp_path: Path, error_of: Ending) -> None:
    path = write(tmp_path / "a.json", {**cvat(), **change})
    message = error_of(main, "cvat", path, tmp_path / "new")
    assert message.startswith(f"error: {path}: ")
    assert expected in message


def test_an_unknown_label_is_listed_once_per_object(tmp_path: Path, error_of: Ending) -> None:
    content = cvat(annotation("car", TRIANGLE), annotation("car", TRIANGLE))
    content["categories"][1]["name"] = "Auto"
    path = write(tmp_path / "a.json", content)
    lines = error_of(main, "cvat", path, tmp_path / "new").splitlines()
    assert lines == [
        f"error: {path}: annotations[{number}] ({STEM}): label 'Auto', expected one of the label table; "
        "rename it in CVAT, or give your own table as --labels"
        for number in (0, 1)
    ]


def test_two_images_of_one_name(tmp_path: Path, error_of: Ending) -> None:
    images = [
        {"id": place, "width": 20, "height": 12, "file_name": name} for place, name in enumerate(("a.png", "a.jpg"))
    ]
    path = write(tmp_path / "a.json", cvat(images=images))
    message = error_of(main, "cvat", path, tmp_path / "new")
    assert f"images[1]: a would be written twice, as for {path}: images[0]; rename one of the images" in message
