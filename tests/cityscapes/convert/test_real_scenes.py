"""Real scenes of Cityscapes, written as other programs write them, come back without the loss of a pixel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cityscapes import layout
from cityscapes.convert import coco_instances, cvat, labelme
from cityscapes.formats.instance import parse, read_mask
from cityscapes.ground_truth import polygons
from cityscapes.labels import BY_ID
from cityscapes.layout import Scene
from engine.files.images import read_ids
from tests.cityscapes.convert import test_cvat, test_labelme


@pytest.fixture
def root(real_data: Path) -> Path:
    return real_data / "cityscapes"


def scenes(root: Path) -> list[Scene]:
    return layout.scenes_with_polygons(root, "val")[:3]


def rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return {"size": list(mask.shape), "counts": np.diff(edges, prepend=0, append=flat.size).tolist()}


def test_polygons_drawn_in_labelme_give_the_official_masks(root: Path, tmp_path: Path) -> None:
    for scene in scenes(root):
        content = json.loads(scene.polygons(root).read_text())
        shapes = [
            test_labelme.shape(entry["label"], entry["polygon"])
            for entry in content["objects"]
            if "deleted" not in entry
        ]
        size = (content["imgHeight"], content["imgWidth"])
        test_labelme.write(tmp_path / "old" / f"{scene.stem}.json", test_labelme.labelme(*shapes, size=size))
    labelme.convert(tmp_path / "old", tmp_path / "new", skip_faulty=True)
    for scene in scenes(root):
        masks = polygons.draw(polygons.read(tmp_path / "new" / f"{scene.stem}_gtFine_polygons.json"))
        assert np.array_equal(masks.label_ids, read_ids(scene.official_mask(root, "labelIds"))), scene


def test_masks_painted_in_cvat_give_the_official_masks(root: Path, tmp_path: Path) -> None:
    """Every area of a label is painted by the brush of CVAT: masks with holes, and of many parts."""
    found = scenes(root)
    names = {label_id: label.name for label_id, label in BY_ID.items() if label_id >= 0}
    images, annotations = [], []
    for number, scene in enumerate(found):
        label_ids = read_ids(scene.official_mask(root, "labelIds"))
        images.append({"id": number, "width": 2048, "height": 1024, "file_name": f"{scene.stem}_leftImg8bit.png"})
        annotations += [
            {"image_id": number, "category_id": label_id, "segmentation": rle(label_ids == label_id), "iscrowd": 1}
            for label_id in np.unique(label_ids).tolist()
        ]
    categories = [{"id": label_id, "name": name} for label_id, name in names.items()]
    content = {**test_cvat.cvat(*annotations, images=images), "categories": categories}
    cvat.convert(test_cvat.write(tmp_path / "instances_default.json", content), tmp_path / "new")
    for scene in found:
        masks = polygons.draw(polygons.read(tmp_path / "new" / f"{scene.stem}_gtFine_polygons.json"))
        assert np.array_equal(masks.label_ids, read_ids(scene.official_mask(root, "labelIds"))), scene


def test_instances_come_back(root: Path, tmp_path: Path) -> None:
    results, expected = [], {}
    for scene in scenes(root):
        instance_ids = read_ids(scene.official_mask(root, "instanceIds"))
        scored = [of for of in np.unique(instance_ids[instance_ids >= 24000]).tolist() if of // 1000 not in (29, 30)]
        expected[scene.stem] = [instance_ids == of for of in scored]
        results += [
            {"image_id": scene.stem, "category_id": of // 1000, "score": 1, "segmentation": rle(instance_ids == of)}
            for of in scored
        ]
    coco_instances.convert(test_cvat.write(tmp_path / "r.json", results), tmp_path / "new", numbering="label_ids")
    for stem, masks in expected.items():
        lines, faults = parse((tmp_path / "new" / f"{stem}.txt").read_bytes())
        assert not faults
        for line, mask in zip(lines, masks, strict=True):
            boxed = read_mask((tmp_path / "new" / line.mask).read_bytes())
            height, width = boxed.pixels.shape
            inside = mask[boxed.top : boxed.top + height, boxed.left : boxed.left + width]
            assert np.array_equal(boxed.pixels, inside)
            assert mask.sum() == inside.sum()
