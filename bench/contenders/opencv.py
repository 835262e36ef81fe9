"""Label ids, train ids and colours by OpenCV in few lines, as in the original FCN8s repository.

Usage: `python -m bench.contenders.opencv ROOT OUT`.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import name2label


def draw(source: Path, out: Path) -> None:
    """Draw the three masks of a polygon file: every polygon is filled three times, once in each image."""
    content = json.loads(source.read_text())
    size = content["imgHeight"], content["imgWidth"]
    label_ids, train_ids = np.zeros(size, np.uint8), np.full(size, 255, np.uint8)
    colors = np.zeros((*size, 3), np.uint8)
    for entry in content["objects"]:
        name = entry["label"]
        label = name2label[name if name in name2label else name.removesuffix("group")]
        if entry.get("deleted") or label.id < 0:
            continue
        polygon = [np.array(entry["polygon"], np.int32)]
        cv2.fillPoly(label_ids, polygon, label.id)
        cv2.fillPoly(train_ids, polygon, label.trainId)
        cv2.fillPoly(colors, polygon, label.color[::-1])
    for kind, mask in (("labelIds", label_ids), ("labelTrainIds", train_ids), ("color", colors)):
        cv2.imwrite(str(out / source.name.replace("polygons.json", f"{kind}.png")), mask)


if __name__ == "__main__":
    root, folder = map(Path, sys.argv[1:])
    for path in sorted(root.rglob("*_polygons.json")):
        draw(path, folder)
