"""The evaluators of detectron2, which Mask2Former uses too, as far as they write files.

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

import io
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from cityscapes.labels import BY_TRAIN_ID
from tests.cityscapes.programs.drawn import FIRST_THING, Predicted, label_ids_of
from tests.cityscapes.programs.pages import functions


class _CityscapesEvaluator:
    """An evaluator that writes to a temporary folder."""

    def reset(self) -> None:
        """Begin an evaluation."""
        self._working_dir = TemporaryDirectory(prefix="cityscapes_eval_")
        self._temp_dir = self._working_dir.name

    def evaluate(self) -> dict[str, Any]:
        """Score the files, and remove their folder."""
        self._working_dir.cleanup()
        return {}


class CityscapesSemSegEvaluator(_CityscapesEvaluator):
    """Evaluator of semantic segmentation."""

    def process(self, predicted: Predicted) -> None:
        """Write the file of one image."""
        Image.fromarray(label_ids_of(predicted)).save(Path(self._temp_dir, f"{predicted.stem}_leftImg8bit_pred.png"))


class CityscapesInstanceEvaluator(_CityscapesEvaluator):
    """Evaluator of instance segmentation."""

    def process(self, predicted: Predicted) -> None:
        """Write the files of one image."""
        base = f"{predicted.stem}_leftImg8bit"
        with Path(self._temp_dir, f"{base}_pred.txt").open("w") as file:
            for number, instance in enumerate(predicted.instances):
                name = f"{base}_{number}_{instance.name}.png"
                Image.fromarray(instance.mask.astype(np.uint8) * 255).save(Path(self._temp_dir, name))
                file.write(f"{name} {instance.label_id} {instance.score}\n")


class COCOPanopticEvaluator:
    """Evaluator of panoptic segmentation.

    Args:
        output_dir: folder for `predictions.json`.
        truth: content of the JSON file of the ground truth.
    """

    def __init__(self, output_dir: Path, truth: dict[str, Any]) -> None:
        self._output_dir = output_dir
        self._truth = truth
        self._predictions: list[dict[str, Any]] = []

    def reset(self) -> None:
        """Begin an evaluation."""
        self._predictions = []

    def process(self, predicted: Predicted) -> None:
        """Keep the PNG and the segments of one image."""
        ids, segments = _segments(predicted)
        png = io.BytesIO()
        rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8)
        Image.fromarray(rgb).save(png, format="PNG")
        name = f"{predicted.stem}_leftImg8bit.png"
        entry = {"image_id": predicted.stem, "file_name": name, "png_string": png.getvalue(), "segments_info": segments}
        self._predictions.append(entry)

    def evaluate(self) -> dict[str, Any]:
        """Write all files, score them, and remove the PNGs."""
        with TemporaryDirectory(prefix="panoptic_eval") as folder:
            for entry in self._predictions:
                Path(folder, entry["file_name"]).write_bytes(entry.pop("png_string"))
            content = json.dumps({**self._truth, "annotations": self._predictions})
            (self._output_dir / "predictions.json").write_text(content)
        return {}


def evaluator_of_page(name: str, *arguments: Any) -> Any:
    """An evaluator of the page."""
    return functions("detectron2", {"detectron2": _Package})[name](*arguments)


def write(evaluator: str, folder: Path, predictions: Sequence[Predicted], *arguments: Any) -> None:
    """Write files by a class of the page.

    Args:
        evaluator: name of the class.
        folder: the folder to keep the files in.
        predictions: one for each image.
        arguments: of the evaluator.
    """
    made = evaluator_of_page(evaluator, *arguments)
    made.folder = str(folder)
    made.reset()
    for predicted in predictions:
        made.process(predicted)
    made.evaluate()


class _Package:
    """What the code of the page imports as `detectron2`."""

    class evaluation:  # noqa: N801
        """The module of evaluators."""

        CityscapesSemSegEvaluator = CityscapesSemSegEvaluator
        CityscapesInstanceEvaluator = CityscapesInstanceEvaluator
        COCOPanopticEvaluator = COCOPanopticEvaluator


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
