"""Files of the instance and the panoptic task, and of other programs, for the data folder of the tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cityscapes.formats import panoptic
from cityscapes.formats.instance import encode_mask
from cityscapes.layout import Scene
from engine.files.atomic import write_bytes, write_text
from engine.files.images import write_png

_SIZE = (32, 64)
"""Height and width of the drawn images."""
_BOXES = {26: (8, 4, 30, 30), 24: (10, 40, 28, 56)}
"""Label id -> top, left, bottom and right of its area, in every image."""


def draw_tasks(world: Path) -> None:
    """Write boxes/ with ground truth of val, instances/ and panoptic/ with predictions, coco/, labelme/ and cvat/."""
    stems = {
        split: [path.name.removesuffix("_leftImg8bit.png") for path in sorted(images.rglob("*.png"))]
        for split in ("val", "test")
        if (images := world / "data" / "leftImg8bit" / split)
    }
    for split, names in stems.items():
        for stem in names:
            _draw_instances(world / "instances" / split, stem)
        _draw_panoptic(world / "panoptic" / split, split, names)
    for stem in stems["val"]:
        _draw_truth(world / "boxes", stem)
        write_text(world / "labelme" / f"{stem}.json", json.dumps(_labelme(stem)))
    write_text(world / "coco" / "results.json", json.dumps(_results(stems["val"])))
    write_text(world / "cvat" / "instances_default.json", json.dumps(_cvat(stems["val"])))


def _area(label_id: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    top, left, bottom, right = _BOXES[label_id]
    mask = np.zeros(_SIZE, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def _draw_truth(root: Path, stem: str) -> None:
    """The official masks of an image: the areas that are predicted, one pixel further down."""
    instance_ids = np.full(_SIZE, 7, np.uint16)
    for label_id in _BOXES:
        instance_ids[np.roll(_area(label_id), 1, 0)] = 1000 * label_id
    scene = Scene("val", stem.split("_", maxsplit=1)[0], stem)
    write_png(scene.official_mask(root, "instanceIds"), instance_ids)
    label_ids = np.where(instance_ids < 1000, instance_ids, instance_ids // 1000)
    write_png(scene.official_mask(root, "labelIds"), label_ids.astype(np.uint8))


def _draw_instances(folder: Path, stem: str) -> None:
    lines = []
    for number, label_id in enumerate(_BOXES):
        write_bytes(folder / "masks" / f"{stem}_{number}.png", encode_mask(_area(label_id)))
        lines.append(f"masks/{stem}_{number}.png {label_id} {0.9 - 0.3 * number:.1f}\n")
    write_text(folder / f"{stem}_pred.txt", "".join(lines))


def _draw_panoptic(folder: Path, split: str, stems: list[str]) -> None:
    """The ground below a car and a person; segment ids above 65,535 need all three channels."""
    ids = np.full(_SIZE, 7, np.uint32)
    for number, label_id in enumerate(_BOXES):
        ids[_area(label_id)] = 70_000 + number
    segments = [{"id": 70_000 + number, "category_id": label_id} for number, label_id in enumerate(_BOXES)]
    segments.append({"id": 7, "category_id": 7})
    json_name, folder_name = panoptic.file_names(split)
    annotations = []
    for stem in stems:
        name = panoptic.png_name(stem)
        write_bytes(folder / folder_name / name, panoptic.encode(ids))
        annotations.append({"image_id": stem, "file_name": name, "segments_info": segments})
    write_text(folder / json_name, json.dumps({"annotations": annotations}))


def _corners(label_id: int) -> list[list[int]]:
    top, left, bottom, right = _BOXES[label_id]
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _results(stems: list[str]) -> list[dict[str, Any]]:
    """COCO results: the first object of an image as run lengths, the second as a polygon."""
    flat = np.concatenate([[0], _area(26).ravel("F").astype(np.int8), [0]])
    changes = np.flatnonzero(np.diff(flat))
    counts = np.diff(changes, prepend=0, append=_SIZE[0] * _SIZE[1]).tolist()
    shapes: dict[int, Any] = {
        26: {"size": list(_SIZE), "counts": counts},
        24: [[float(value) for corner in _corners(24) for value in corner]],
    }
    return [
        {"image_id": stem, "category_id": label_id, "segmentation": shape, "score": 0.75}
        for stem in stems
        for label_id, shape in shapes.items()
    ]


def _labelme(stem: str) -> dict[str, Any]:
    shapes: list[dict[str, Any]] = [
        {"label": label, "points": _corners(label_id), "group_id": None, "shape_type": "polygon", "flags": {}}
        for label_id, label in ((26, "car"), (24, "person"))
    ]
    shapes.append({"label": "road", "points": [[20, 16], [25, 16]], "shape_type": "circle", "flags": {}})
    size = {"imageHeight": _SIZE[0], "imageWidth": _SIZE[1]}
    return {"version": "5.5.0", "shapes": shapes, "imagePath": f"{stem}.png", "imageData": None, **size}


def _cvat(stems: list[str]) -> dict[str, Any]:
    results = enumerate(_results(stems), start=1)
    return {
        "images": [
            {"id": number, "file_name": f"{stem}.png", "width": _SIZE[1], "height": _SIZE[0]}
            for number, stem in enumerate(stems, start=1)
        ],
        "categories": [{"id": 26, "name": "car"}, {"id": 24, "name": "person"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1 + stems.index(result["image_id"]),
                "category_id": result["category_id"],
                "segmentation": result["segmentation"],
                "iscrowd": int(isinstance(result["segmentation"], dict)),
            }
            for number, result in results
        ],
    }
