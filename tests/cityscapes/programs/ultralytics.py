"""Files that Ultralytics writes for `yolo semantic val save_json=True`.

Source: ultralytics/ultralytics, `ultralytics/models/yolo/semantic/val.py` (`save_pred_masks`) at 067f742, and
`ultralytics/cfg/datasets/cityscapes.yaml` at 4563df0; semantic models exist since 8.4.52 of May 2026.

* folder: `runs/semantic/<name>/results/`, without folders of cities
* names: those of its copies of the images, from which the preparation removes `_leftImg8bit`
* pixels: 8-bit grey of the size of the image; label ids, because the inverse of `label_mapping` is applied, or train
  ids if the YAML file of the data set has no `label_mapping`
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.cityscapes.programs.drawn import Predicted, label_ids_of


def write(folder: Path, predictions: Sequence[Predicted], *, label_mapping: bool = True) -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        ids = label_ids_of(predicted) if label_mapping else predicted.train_ids
        Image.fromarray(ids).save(folder / f"{predicted.stem}.png")
