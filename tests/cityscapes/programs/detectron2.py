"""Files that the evaluators of detectron2 write, and Mask2Former with them.

Sources: facebookresearch/detectron2, `detectron2/evaluation/cityscapes_evaluation.py` and `panoptic_evaluation.py` at
02b5c4e (0.6 and later); facebookresearch/Mask2Former, `train_net.py` and `mask2former/maskformer_model.py` at 9b0651c,
which uses these evaluators.

`CityscapesSemSegEvaluator`, in a temporary folder:

* `<stem>_leftImg8bit_pred.png`: label ids, 8-bit grey

`CityscapesInstanceEvaluator`, in a temporary folder:

* `<stem>_leftImg8bit_pred.txt`: lines of mask, label id and score; empty without instances
* `<stem>_leftImg8bit_<number>_<class>.png` next to it: 8-bit grey, 255 in the instance

`COCOPanopticEvaluator`:

* `predictions.json` in `output_dir`: the ground truth's file, with the predictions as `annotations`; categories are
  label ids
* `<stem>_leftImg8bit.png` in a temporary folder: segment ids as RGB, 0 for void
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cityscapes.labels import BY_TRAIN_ID
from tests.cityscapes.programs.drawn import FIRST_THING, Predicted, label_ids_of


def write_semantic(folder: Path, predictions: Sequence[Predicted]) -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        Image.fromarray(label_ids_of(predicted)).save(folder / f"{predicted.stem}_leftImg8bit_pred.png")


def write_instances(folder: Path, predictions: Sequence[Predicted]) -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        base = f"{predicted.stem}_leftImg8bit"
        with (folder / f"{base}_pred.txt").open("w") as file:
            for number, instance in enumerate(predicted.instances):
                name = f"{base}_{number}_{instance.name}.png"
                Image.fromarray(instance.mask.astype(np.uint8) * 255).save(folder / name)
                file.write(f"{name} {instance.label_id} {instance.score}\n")


def write_panoptic(json_file: Path, folder: Path, predictions: Sequence[Predicted], truth: dict[str, Any]) -> None:
    """Write the JSON file, and the PNGs, which the evaluator writes to a folder that it removes.

    Args:
        json_file: `predictions.json` in `output_dir`.
        folder: the folder of the PNGs.
        predictions: one for each image.
        truth: content of the JSON file of the ground truth.
    """
    folder.mkdir(parents=True)
    annotations = []
    for predicted in predictions:
        name = f"{predicted.stem}_leftImg8bit.png"
        ids, segments = _segments(predicted)
        Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8)).save(folder / name)
        annotations.append({"image_id": predicted.stem, "file_name": name, "segments_info": segments})
    json_file.write_text(json.dumps({**truth, "annotations": annotations}))


def _segments(predicted: Predicted) -> tuple[Any, list[dict[str, int]]]:
    """(H, W) segment ids from 1, 0 for void, and the list of segments, as the inference of Mask2Former makes them."""
    stuff = [index for index in np.unique(predicted.train_ids).tolist() if index < FIRST_THING]
    areas = [(index, predicted.train_ids == index) for index in stuff]
    areas += [(instance.train_id, instance.mask) for instance in predicted.instances]
    ids = np.zeros(predicted.train_ids.shape, np.int32)
    for number, (_, area) in enumerate(areas, 1):
        ids[area] = number
    segments = [{"id": number, "category_id": BY_TRAIN_ID[index].id} for number, (index, _) in enumerate(areas, 1)]
    return ids, segments
