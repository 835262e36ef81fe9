"""Annotations of labelme -> polygon files that `generate_gt.py` draws."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import generate_gt
from cityscapes.convert import main
from cityscapes.convert.labelme import polygons_of_shape
from cityscapes.ground_truth import polygons
from engine.files.images import read_ids

Ending = Callable[..., str]

STEM = "aachen_000000_000019"


def encoded(mask: list[list[int]]) -> str:
    content = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) > 0).save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode()


def shape(label: str, points: Any, kind: str = "polygon", **more: Any) -> dict[str, Any]:
    """One shape as labelme 5 writes it (labelme/_label_file.py, commit 00385ce)."""
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def labelme(*shapes: dict[str, Any], version: str = "5.5.0", size: tuple[int, int] = (12, 20)) -> dict[str, Any]:
    """A file as labelme writes it; version 4 has no `description` and no masks (labelme/label_file.py, 00b2123)."""
    if version < "5":
        shapes = tuple(
            {key: value for key, value in one.items() if key not in ("description", "mask")} for one in shapes
        )
    return {
        "version": version,
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"..\\images\\{STEM}_leftImg8bit.png",
        "imageData": base64.b64encode(bytes(1 << 20)).decode(),
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


SHAPES = (
    shape("road", [[0.2, 0.9], [19.9, 11.5]], "rectangle"),
    shape("car", [[2.7, 2.2], [9.1, 2.9], [9.9, 6.0], [2.0, 6.4]]),
    shape("cargroup", [[14.5, 3.5], [16.5, 3.5]], "circle"),
    shape("person", [[5, 7], [8, 9]], "mask", mask=encoded([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]])),
    shape("license plate", [[1, 1], [3, 1], [3, 3]]),
)


@pytest.mark.parametrize("version", ["4.6.0", "5.5.0"])
def test_annotations_are_drawn(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = SHAPES if version > "5" else SHAPES[:3]
    write(tmp_path / "old/train" / f"{STEM}_leftImg8bit.json", labelme(*shapes, version=version))
    write(tmp_path / "old" / "empty.json", labelme(version=version))
    new = tmp_path / "new"
    assert main(["labelme", str(tmp_path / "old"), str(new), "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed == (
        f"wrote {len(shapes)} objects of 2 images to {new}\nnext: python generate_gt.py --polygons {new}\n"
    )
    path = new / "train" / f"{STEM}_gtFine_polygons.json"
    content = json.loads(path.read_text())
    assert (content["imgHeight"], content["imgWidth"]) == (12, 20)
    assert content["objects"][1] == {"label": "car", "polygon": [[2, 2], [9, 2], [9, 6], [2, 6]]}
    assert generate_gt.main(["--polygons", str(new), "--instance_ids", "--workers", "1"]) == 0
    label_ids = read_ids(new / "generated_gt/train" / f"{STEM}_labelId.png")
    instance_ids = read_ids(new / "generated_gt/train" / f"{STEM}_instanceId.png")
    assert label_ids[0].tolist() == [7] * 20
    assert instance_ids[2:6, 2:10].tolist() == [[26_000] * 8] * 4
    assert instance_ids[3, 14] == 26  # a group
    if version > "5":
        assert instance_ids[7:10, 5:9].tolist() == [[24_000] * 4, [24_000, 7, 7, 24_000], [24_000] * 4]
    assert not read_ids(new / "generated_gt/empty_labelId.png").any()


def test_later_shapes_cover_earlier_ones(tmp_path: Path) -> None:
    box = [[0, 0], [19, 12]]
    write(tmp_path / "old/a.json", labelme(shape("road", box, "rectangle"), shape("sky", box, "rectangle")))
    assert main(["labelme", str(tmp_path / "old"), str(tmp_path / "new")]) == 0
    annotation = polygons.read(tmp_path / "new/a_gtFine_polygons.json")
    assert (polygons.draw(annotation).label_ids == 23).all()


def test_a_circle_is_a_circle() -> None:
    (polygon,) = polygons_of_shape(shape("car", [[50, 50], [50, 80]], "circle"), 100, 100)
    annotation = polygons.Annotation(100, 100, [polygons.Shape("car", np.array(polygon))])
    mask = polygons.draw(annotation).label_ids == 26
    rows, columns = np.mgrid[:100, :100]
    exact = np.hypot(rows - 50, columns - 50) < 30
    assert (mask != exact).sum() < 0.08 * exact.sum()


def test_masks_of_several_parts_and_groups_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = shape("person", [[5, 7], [8, 7]], "mask", mask=encoded([[1, 0, 0, 1]]))
    outside = shape("person", [[-1, -1], [1, 1]], "mask", mask=encoded([[1] * 3] * 3))
    pair = [shape("car", [[x, 1], [x + 2, 1], [x, 4]], group_id=3) for x in (2, 9)]
    write(tmp_path / "old/a.json", labelme(parts, outside, *pair, shape("bus", [[3, 3], [7, 3], [7, 8]], group_id=9)))
    assert main(["labelme", str(tmp_path / "old"), str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out
    assert "note: 1 mask of several parts: each part became an object" in printed
    assert "note: 2 shapes with the group_id of another: each became an object" in printed
    objects = polygons.read(tmp_path / "new/a_gtFine_polygons.json").shapes
    assert [entry.label for entry in objects] == ["person", "person", "person", "car", "car", "bus"]


def test_custom_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("name,id,trainId,color\nfield,1,0,#98fb98\n")
    write(tmp_path / "old/a.json", labelme(shape("field", [[0, 0], [5, 0], [5, 5]])))
    new = tmp_path / "new"
    assert main(["labelme", str(tmp_path / "old"), str(new), "--labels", str(labels)]) == 0
    following = f"python generate_gt.py --polygons {new} --labels {labels}"
    assert capsys.readouterr().out.endswith(f"next: {following}\n")
    assert generate_gt.main(following.split()[2:]) == 0
    assert (read_ids(new / "generated_gt/a_labelId.png") == 1).any()


TRIANGLE = [[1, 1], [5, 1], [5, 5]]
FAULTS: list[tuple[Any, str]] = [
    (3, "got 3, expected label, points and shape_type; remove it"),
    (shape("Car", TRIANGLE), "label 'Car', expected one of the label table, perhaps 'car'; rename it in labelme"),
    (shape("traffic_light", TRIANGLE), "perhaps 'traffic light'; rename"),
    (shape("tree trunk", TRIANGLE), "label 'tree trunk', expected one of the label table; rename it in labelme"),
    ({**shape("car", TRIANGLE), "label": None}, "label is None, expected text"),
    (shape("car", TRIANGLE, "linestrip"), "(car): a linestrip, which has no area, expected a polygon"),
    (shape("car", [[1, 1]], "point"), "(car): a point, which has no area"),
    (shape("car", [[1, 1], [5, 5]]), "(car): a polygon of 2 points, expected at least 3"),
    (shape("car", []), "(car): a polygon of 0 points"),
    (shape("car", [[1, 1], [1.2, 1.4], [1.9, 1.1]]), "(car): a polygon of 0 different pixels in a row"),
    (shape("car", [[1, 1], [8, 1.2], [4, 1.9]]), "(car): a polygon of 3 different pixels in a row"),
    (shape("car", [[1, 1], [5, 1], [5, float("nan")]]), "(car): a coordinate is nan, expected a finite number"),
    (shape("car", [[1, 1], [5, 1], [5, 1e300]]), "(car): a coordinate is 1e+300, expected a finite number"),
    (shape("car", [[1, 1], [5, 1], [5, "1"]]), "(car): a coordinate is '1', expected a finite number"),
    (shape("car", [[1, 1], [5, 1], [5]]), "(car): points are [[1, 1], [5, 1], [5]], expected [[x, y], ...]"),
    (shape("car", TRIANGLE, "circle"), "(car): a circle of 3 points, expected 2"),
    (shape("car", TRIANGLE, "cuboid"), "(car): shape_type 'cuboid', expected a polygon"),
    ({**shape("car", TRIANGLE), "shape_type": ["a"]}, "(car): shape_type ['a'], expected a polygon"),
    (shape("car", TRIANGLE[:2], "mask"), "(car): mask is None, expected a PNG in base64"),
    (shape("car", TRIANGLE[:2], "mask", mask="?"), "(car): a mask that is not a PNG in base64"),
    (shape("car", TRIANGLE[:2], "mask", mask="aGVsbG8="), "(car): a mask that is not a PNG in base64"),
    (shape("car", [[1, 1], [3, 3]], "mask", mask=encoded([[0] * 3] * 3)), "(car): a mask without a pixel in the image"),
    (shape("car", [[90, 1], [93, 3]], "mask", mask=encoded([[1] * 3] * 3)), "(car): a mask without a pixel"),
]


@pytest.mark.parametrize(("faulty", "expected"), FAULTS, ids=[text for _, text in FAULTS])
def test_a_faulty_shape_is_listed_and_can_be_skipped(
    faulty: Any, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    path = write(tmp_path / "old/a.json", labelme(shape("road", TRIANGLE), faulty))
    words = ["labelme", str(tmp_path / "old"), str(tmp_path / "new"), "--workers", "1"]
    (line,) = error_of(main, *words).splitlines()
    assert line.startswith(f"error: {path}: shape 1")
    assert expected in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old"]
    assert main([*words, "--skip_faulty"]) == 0
    assert capsys.readouterr().err == line.replace("error: ", "warning: skipped: ") + "\n"
    assert [entry.label for entry in polygons.read(tmp_path / "new/a_gtFine_polygons.json").shapes] == ["road"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "got [], expected shapes, imageHeight, imageWidth"),
        (json.dumps({**labelme(), "imageHeight": None}).encode(), "an image of 20 x None, expected sides"),
        (json.dumps({**labelme(), "imageHeight": 10**9}).encode(), "an image of 20 x 1000000000, expected sides"),
        (json.dumps({**labelme(), "imageHeight": 30000, "imageWidth": 30000}).encode(), "at most 268,435,456 pixels"),
        (json.dumps({**labelme(), "imageHeight": True}).encode(), "an image of 20 x True"),
    ],
)
def test_a_faulty_file_is_listed_and_can_be_skipped(
    content: bytes, expected: str, tmp_path: Path, error_of: Ending
) -> None:
    write(tmp_path / "old/a.json", labelme(shape("road", TRIANGLE)))
    path = tmp_path / "old/b.json"
    path.write_bytes(content)
    words = ["labelme", str(tmp_path / "old"), str(tmp_path / "new"), "--workers", "1"]
    (line,) = error_of(main, *words).splitlines()
    assert line.startswith(f"error: {path}: ")
    assert expected in line
    assert main([*words, "--skip_faulty"]) == 0
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["a_gtFine_polygons.json"]
    (tmp_path / "old/a.json").unlink()
    assert expected in error_of(
        main, *words[:2], tmp_path / "other", "--skip_faulty", "--workers", "1"
    )  # nothing is left
    assert not (tmp_path / "other").exists()


def test_folders_of_nothing(tmp_path: Path, error_of: Ending) -> None:
    assert "no such folder" in error_of(main, "labelme", tmp_path / "none", tmp_path / "new")
    (tmp_path / "old").mkdir()
    assert "no JSON file in it or below" in error_of(main, "labelme", tmp_path / "old", tmp_path / "new")
    write(tmp_path / "old/a.json", labelme())
    assert "is inside" in error_of(main, "labelme", tmp_path / "old", tmp_path / "old/new")
    write(tmp_path / "old/a_leftImg8bit.json", labelme())
    message = error_of(main, "labelme", tmp_path / "old", tmp_path / "new")
    assert "a would be written twice, as for " in message


def test_a_file_in_place_of_the_folder(tmp_path: Path, error_of: Ending) -> None:
    (tmp_path / "one.json").write_text("{}")
    message = error_of(main, "labelme", tmp_path / "one.json", tmp_path / "new")
    assert message == f"error: {tmp_path / 'one.json'}: is a file; give the folder with the JSON files of labelme\n"
