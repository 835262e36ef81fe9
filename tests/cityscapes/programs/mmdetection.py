"""Files that mmdetection writes with `CityScapesMetric`.

Source: open-mmlab/mmdetection, `mmdet/evaluation/metrics/cityscapes_metric.py` at 19bceba (3.x).

* folder: `results/` below `outfile_prefix`
* `<stem>_leftImg8bit_pred.txt`: lines of mask, label id and score; empty without instances
* `<stem>_leftImg8bit_<number>_<class>.png` next to it: 8-bit grey, 1 in the instance
* `gtInstances.json` next to them, if it evaluates: the official script's cache of the ground truth
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.cityscapes.programs.drawn import Predicted


def write(folder: Path, predictions: Sequence[Predicted]) -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        base = f"{predicted.stem}_leftImg8bit"
        lines = []
        for number, instance in enumerate(predicted.instances):
            name = f"{base}_{number}_{instance.name}.png"
            Image.fromarray(instance.mask.astype(np.uint8)).save(folder / name)
            lines.append(f"{name} {instance.label_id} {np.float32(instance.score)}\n")
        (folder / f"{base}_pred.txt").write_text("".join(lines))
    (folder / "gtInstances.json").write_text("{}")
