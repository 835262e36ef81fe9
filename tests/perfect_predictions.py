"""Perfect predictions of all tasks, from official masks: `python -m tests.perfect_predictions ROOT SPLIT OUT`.

OUT gets the folders pixel/, instances/ and panoptic/. Nothing but the base installation is needed.
"""

import sys
from pathlib import Path

import numpy as np

from cityscapes.formats import instance, panoptic, panoptic_writer
from cityscapes.formats.instance import LABELS_WITH_INSTANCES, InstanceLine
from cityscapes.formats.panoptic import AnnotatedImage
from cityscapes.formats.panoptic_writer import Runs
from cityscapes.layout import Scene, scenes_with_label_ids
from engine.files.atomic import write_bytes, write_text
from engine.files.images import read_ids

_LABEL_IDS = {label.id for label in LABELS_WITH_INSTANCES}


def write(root: Path, split: str, out: Path) -> None:
    """Write the predictions of all scenes of a split."""
    images = []
    json_name, folder = panoptic.file_names(split)
    for scene in scenes_with_label_ids(root, split):
        write_bytes(out / "pixel" / f"{scene.stem}.png", scene.official_mask(root, "labelIds").read_bytes())
        _write_instances(root, scene, out / "instances")
        instance_ids = read_ids(scene.official_mask(root, "instanceIds"))
        ids, segments = panoptic_writer.of_runs(Runs.of(instance_ids), instance_ids.shape)
        write_bytes(out / "panoptic" / folder / f"{scene.stem}.png", panoptic.encode(ids))
        images.append(AnnotatedImage(scene.stem, f"{scene.stem}.png", segments))
    write_text(out / "panoptic" / json_name, "".join(panoptic_writer.prediction_text(images)))


def _write_instances(root: Path, scene: Scene, folder: Path) -> None:
    ids = read_ids(scene.official_mask(root, "instanceIds"))
    lines = []
    for number in np.unique(ids[ids >= 1000]).tolist():
        if number // 1000 in _LABEL_IDS:
            name = f"masks/{scene.stem}_{number}.png"
            write_bytes(folder / name, instance.encode_mask(ids == number))
            lines.append(InstanceLine(0, name, number // 1000, 0.9))
    write_text(folder / f"{scene.stem}.txt", instance.text_of(lines))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
