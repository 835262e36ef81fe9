"""The functions that `import fcn` offers for trained networks; docs/api.md shows them. Paths may be texts."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import catalogue
from catalogue import weights
from catalogue.weights import Loaded
from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.documents import read_yaml
from engine.files.images import read_image
from engine.normalization import Normalize
from engine.training import history
from engine.training.run import Run

if TYPE_CHECKING:
    import pandas as pd

_VOID = 255


def load_network(path: str | Path) -> Loaded:
    """Load a trained network from a file of weights: `.pth`, `.safetensors`, or a state dict of a known network.

    Returns:
        `.network`, a `torch.nn.Module` from (N, 3, H, W) to (N, C, H, W) logits, and `.about`, its metadata.

    Raises:
        InputError: if the file is damaged, or the network is not known.
    """
    loaded = weights.load_network(Path(path))
    loaded.network.eval()
    return loaded


def predict(loaded: Loaded, image: str | Path | UInt8Array, *, label_ids: bool = False) -> UInt8Array:
    """Predict one image, on the device that the network is on; `test_fcn.py` is faster for many images.

    Args:
        loaded: from `load_network`.
        image: path of an image, or (H, W, 3) uint8 RGB.
        label_ids: whether to return the ids that prediction files of the benchmark have (label ids for Cityscapes)
            instead of train ids.

    Returns:
        (H, W) uint8 train ids, 0 to C - 1, with 255 where the network predicts void; or label ids.

    Raises:
        InputError: if the image cannot be read, or is not such an array.
    """
    network, about = loaded.network, loaded.about
    pixels = image if isinstance(image, np.ndarray) else read_image(Path(image))
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(f"predict: got an image of {pixels.shape} {pixels.dtype}, expected (H, W, 3) uint8, RGB")
    device = next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).to(device)  # (1, 3, H, W)
    with torch.inference_mode():
        logits = network(Normalize(about.mean, about.std).to(device)(tensor))  # (1, C, H, W)
    ids: UInt8Array = logits.argmax(1)[0].to(torch.uint8).cpu().numpy()
    benchmark = None if about.benchmark is None else catalogue.benchmark(about.benchmark)
    if label_ids:
        if benchmark is None or benchmark.confidence_class is not None:
            raise InputError("predict: label_ids=True, but the benchmark of these weights has no such ids")
        return benchmark.prediction_ids[ids]
    if benchmark is not None:
        ids[ids >= len(benchmark.classes)] = _VOID
    return ids


def read_history(run: str | Path) -> "pd.DataFrame":
    """The history of a training, as its history.csv has it: a row for each epoch.

    Columns: `epoch`, `learning_rate`, `train_loss`, `val_miou`, ..., and `val_iou_<class>` and `train_iou_<class>` for
    each class. Scores are from 0 to 1; NaN where nothing was measured.

    Args:
        run: the folder of the run, for example saved/first.

    Raises:
        InputError: if it is not the folder of a run, or has no epoch yet.
    """
    folder = Path(run)
    rows = Run(folder).history()
    if not rows:
        raise InputError(f"{folder}: no epoch in its history.jsonl; give the folder of a run, for example saved/first")
    number = max((len(value) for row in rows for value in row.values() if isinstance(value, list)), default=0)
    whole = [row for row in rows if history.has_values_of(row, number)]
    return history.to_dataframe(whole, _class_names(folder, number))


def _class_names(folder: Path, number: int) -> tuple[str, ...]:
    """The names of the classes of a run; numbers if its configuration does not name a benchmark with so many."""
    config = folder / "config.yaml"
    content = read_yaml(config) if config.is_file() else {}
    name = content.get("benchmark") if isinstance(content, dict) else None
    with contextlib.suppress(InputError):  # a custom benchmark that cannot be imported here
        names = catalogue.benchmark(str(name)).classes.names
        if len(names) == number:
            return names
    return tuple(str(place) for place in range(number))
