import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes import layout
from cityscapes.ground_truth import polygons
from cityscapes.labels import VOID
from engine.errors import InputError
from engine.files.images import read_ids

BOX = [[0, 0], [3, 0], [3, 4], [0, 4]]


def written(path: Path, *objects: Any, width: Any = 8, height: Any = 6) -> Path:
    path.write_text(json.dumps({"imgWidth": width, "imgHeight": height, "objects": list(objects)}))
    return path


def test_every_kind_of_mask(tmp_path: Path) -> None:
    right = [[x + 4, y] for x, y in BOX]
    file = written(
        tmp_path / "a.json",
        {"label": "road", "polygon": [[-5, -5], [20, -5], [20, 20], [-5, 20]]},
        {"label": "car", "polygon": BOX},
        {"label": "car", "polygon": BOX},
        {"label": "license plate", "polygon": BOX},
        {"label": "sky", "polygon": right, "deleted": 1},
        {"label": "cargroup", "polygon": right},
        {"label": "static", "polygon": [[0, 5], [7, 5], [7, 6], [0, 6]]},
    )
    masks = polygons.draw(polygons.read(file))
    assert masks.label_ids.shape == (6, 8)
    assert masks.label_ids[0, 0] == 26
    assert masks.instance_ids[0, 0] == 26001  # the first car is hidden, but counts
    assert masks.instance_ids[0, 5] == 26  # a group has no instance id
    assert masks.instance_ids[4, 0] == 7
    assert masks.train_ids[0, 0] == 13
    assert masks.train_ids[5, 0] == VOID
    assert masks.colors[0, 0].tolist() == [0, 0, 142]


def test_the_background_is_unlabeled(tmp_path: Path) -> None:
    masks = polygons.draw(polygons.read(written(tmp_path / "a.json")))
    assert not masks.label_ids.any()
    assert (masks.train_ids == VOID).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "broken JSON"),
        ('{"imgWidth": 8', "broken JSON"),
        ("[]", "expected imgWidth, imgHeight and objects"),
        ('{"imgWidth": 8, "imgHeight": 6}', "expected imgWidth, imgHeight and objects"),
        ('{"imgWidth": 0, "imgHeight": 6, "objects": []}', "got 0 x 6"),
        ('{"imgWidth": 99999999, "imgHeight": 6, "objects": []}', "image size"),
        ('{"imgWidth": 8, "imgHeight": 6, "objects": {}}', "list of objects"),
        ("\x00\x01", "broken JSON"),
        ('{"imgWidth": 8, "imgHeight": 6, "imgWidth": 9, "objects": []}', "the key 'imgWidth' appears twice"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a_gtFine_polygons.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        polygons.read(file)
    assert str(file) in str(caught.value)


def test_every_faulty_object_is_listed(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.json",
        {"label": "spaceship", "polygon": BOX},
        {"label": "car"},
        {"label": "car", "polygon": [[1, 2, 3]]},
        {"label": "car", "polygon": [[1, None]]},
        {"label": "car", "polygon": [[1, 1e30]]},
        {"label": "car", "polygon": []},
        {"label": 7, "polygon": BOX},
        "car",
        {"label": "car", "polygon": BOX},
    )
    with pytest.raises(InputError) as caught:
        polygons.read(file)
    assert len(caught.value.messages) == 8
    assert "object 0: unknown label 'spaceship'" in caught.value.messages[0]


def test_an_empty_polygon_among_others_is_a_fault(tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", {"label": "car", "polygon": BOX}, {"label": "sky", "polygon": []})
    with pytest.raises(InputError, match="object 1: sky: expected a polygon"):
        polygons.read(file)


def test_coordinates_are_truncated(tmp_path: Path) -> None:
    shapes = [{"label": "car", "polygon": [[0.9, 1], [-0.9, 2.5], [3, 1e6]]}, {"label": "sky", "polygon": BOX}]
    first, second = polygons.read(written(tmp_path / "a.json", *shapes)).shapes
    assert first.polygon.tolist() == [[0, 1], [0, 2], [3, 1_000_000]]
    assert second.polygon.tolist() == BOX


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        polygons.read(tmp_path / "nothing.json")


def test_real_scenes_equal_their_official_masks(real_data: Path) -> None:
    root = real_data / "cityscapes"
    scenes = [scene for split in ("train", "val") for scene in layout.scenes_with_polygons(root, split)]
    assert len(scenes) == 15
    for scene in scenes:
        masks = polygons.draw(polygons.read(scene.polygons(root)))
        assert np.array_equal(masks.label_ids, read_ids(scene.official_mask(root, "labelIds"))), scene
        assert np.array_equal(masks.instance_ids, read_ids(scene.official_mask(root, "instanceIds"))), scene


def test_booleans_are_not_numbers(tmp_path: Path) -> None:
    for size in ({"width": True}, {"height": True}):
        with pytest.raises(InputError, match="expected an image size"):
            polygons.read(written(tmp_path / "a.json", **size))
    file = written(
        tmp_path / "a.json", {"label": "car", "polygon": BOX}, {"label": "sky", "polygon": [[3, 4], [True, 5]]}
    )
    with pytest.raises(InputError, match="object 1: sky: expected a polygon"):
        polygons.read(file)


@pytest.mark.parametrize("deleted", ["0", "no", 2, []])
def test_other_values_of_deleted_are_refused(tmp_path: Path, deleted: Any) -> None:
    file = written(tmp_path / "a.json", {"label": "car", "polygon": BOX, "deleted": deleted})
    with pytest.raises(InputError, match=r"object 0: car: deleted is .*, expected 0 or 1"):
        polygons.read(file)


@pytest.mark.parametrize("number", [1001, 45_000])
def test_a_thousand_objects_of_a_label_have_instance_ids_and_no_more(tmp_path: Path, number: int) -> None:
    car, road = {"label": "car", "polygon": BOX}, {"label": "road", "polygon": BOX}
    full = polygons.draw(polygons.read(written(tmp_path / "a.json", *[car] * 1000, *[road] * 2000, width=1, height=1)))
    assert full.instance_of.max() == 26_999
    assert full.instance_ids.max() == 7
    crowded = polygons.draw(polygons.read(written(tmp_path / "a.json", *[car] * number, width=1, height=1)))
    assert crowded.label_ids.max() == 26
    with pytest.raises(InputError, match=f"^{number} objects of car, expected at most 1000") as caught:
        _ = crowded.instance_ids
    assert len(caught.value.messages) == 1


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(InputError, match="got a named pipe, expected a file"):
        polygons.read(tmp_path / "a.json")
