"""Outputs of the image processors of Hugging Face transformers, as their methods return them.

Source: huggingface/transformers, `src/transformers/models/mask2former/image_processing_pil_mask2former.py` and
`image_processing_mask2former.py` (`compute_segments`) at 2712ed2; MaskFormer and OneFormer return the same, and
SegFormer the same semantic maps.

* `post_process_semantic_segmentation`: a list of (H, W) int64 tensors of the model's class indices
* `post_process_instance_segmentation`: dictionaries of `segmentation`, (H, W) float32 with -1 without instance, and
  `segments_info`, a list of `id` from 0, `label_id`, `was_fused` and `score`; with `return_binary_maps=True` the
  segmentation is (instances, H, W) if there is any instance
* `post_process_panoptic_segmentation`: the same with (H, W) int32, ids from 1 and 0 without segment; without any
  segment float32 and -1

The model's `config.id2label` has the names of the classes: 19 of semantic and panoptic models, 8 of instance models
(the data set huggingface/label-files, `cityscapes-id2label.json` and `cityscapes-instance-id2label.json`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cityscapes.labels import CLASSES
from tests.cityscapes.programs.drawn import FIRST_THING, Predicted
from tests.cityscapes.programs.pages import functions

PAGE = "hugging_face"
ID2LABEL = dict(enumerate(CLASSES.names))
INSTANCE_ID2LABEL = dict(enumerate(CLASSES.names[FIRST_THING:]))


def write_semantic(folder: Path, predictions: Sequence[Predicted]) -> None:
    """Write files by the function of the page."""
    for predicted in predictions:
        functions(PAGE)["write_semantic"](str(folder), predicted.stem, semantic(predicted), ID2LABEL)


def write_instances(folder: Path, predictions: Sequence[Predicted]) -> None:
    """Write files by the function of the page, from a mask per instance."""
    _write_instances(folder, predictions, binary_maps=True)


def write_instances_of_one_map(folder: Path, predictions: Sequence[Predicted]) -> None:
    """Write files by the function of the page, from one map of all instances."""
    _write_instances(folder, predictions, binary_maps=False)


def _write_instances(folder: Path, predictions: Sequence[Predicted], *, binary_maps: bool) -> None:
    write = functions(PAGE)["write_instances"]
    for predicted in predictions:
        write(str(folder), predicted.stem, instances(predicted, binary_maps=binary_maps), INSTANCE_ID2LABEL)


def write_panoptic(folder: Path, predictions: Sequence[Predicted]) -> None:
    """Write files by the function of the page, and the list of what it returns, to a folder named as its JSON file."""
    write = functions(PAGE)["write_panoptic"]
    entries = [write(str(folder), predicted.stem, panoptic(predicted), ID2LABEL) for predicted in predictions]
    folder.with_suffix(".json").write_text(json.dumps({"annotations": entries}))


def semantic(predicted: Predicted) -> torch.Tensor:
    """The semantic map of one image."""
    return torch.from_numpy(predicted.train_ids.astype(np.int64))


def instances(predicted: Predicted, *, binary_maps: bool) -> dict[str, Any]:
    """The result of an instance model for one image; maps of single instances may overlap."""
    segmentation = torch.zeros(predicted.train_ids.shape) - 1
    maps, segments = [], []
    for number, instance in enumerate(predicted.instances):
        mask = torch.from_numpy(instance.mask)
        segmentation[mask] = number
        maps.append(mask.float())
        segments.append(_segment(number, instance.train_id - FIRST_THING, instance.score))
    if binary_maps and maps:
        segmentation = torch.stack(maps)
    return {"segmentation": segmentation, "segments_info": segments}


def panoptic(predicted: Predicted) -> dict[str, Any]:
    """The result of a panoptic model for one image; areas of the same stuff class are several segments.

    They are only merged with `label_ids_to_fuse`, which gives different segments the same id (issue 23461).
    """
    segmentation = torch.zeros(predicted.train_ids.shape, dtype=torch.int32)
    segments = []
    left = np.arange(segmentation.shape[1]) < segmentation.shape[1] // 2
    areas = [
        (index, (predicted.train_ids == index) & half)
        for index in range(FIRST_THING)
        for half in (left, ~left)
        if ((predicted.train_ids == index) & half).any()
    ]
    areas += [(instance.train_id, instance.mask) for instance in predicted.instances]
    for number, (index, mask) in enumerate(areas, 1):
        segmentation[torch.from_numpy(mask)] = number
        segments.append(_segment(number, index, 0.9))
    return {"segmentation": segmentation, "segments_info": segments}


def _segment(number: int, label_id: int, score: float) -> dict[str, Any]:
    return {"id": number, "label_id": label_id, "was_fused": False, "score": round(score, 6)}
