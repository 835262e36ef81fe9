"""Files that mmsegmentation writes with `CityscapesMetric`, and with `--out` and its usual metric.

Sources: open-mmlab/mmsegmentation, `mmseg/evaluation/metrics/citys_metric.py` and `iou_metric.py` at 01c9623 (1.x), and
its maintained fork VBTI-development/onedl-mmsegmentation, the same files at 3b51805, which write the same. Version 0.x
wrote them in `mmseg/datasets/cityscapes.py` (`results2img`), with a palette of 35 colours.

* folder: `output_dir`, without folders of cities
* names: those of the images, `<stem>_leftImg8bit.png`
* pixels: `CityscapesMetric` writes label ids as a palette image, whose palette is a ramp of greys; `IoUMetric`, the
  metric of the configurations, writes train ids in 8-bit grey
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from cityscapes.labels import LABELS
from tests.cityscapes.programs.drawn import Predicted, label_ids_of

Metric = Literal["CityscapesMetric", "IoUMetric", "0.x"]


def write(folder: Path, predictions: Sequence[Predicted], *, metric: Metric = "CityscapesMetric") -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        path = folder / f"{predicted.stem}_leftImg8bit.png"
        if metric == "IoUMetric":
            Image.fromarray(predicted.train_ids).save(path)
            continue
        image = Image.fromarray(label_ids_of(predicted)).convert("P")
        if metric == "0.x":
            image.putpalette(np.array([label.color for label in LABELS], np.uint8).tobytes())
        image.save(path)
