"""Prediction: image files in, masks of a benchmark's ids out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm import tqdm

from engine.checkpoints import About
from engine.dataset import Benchmark, Sample
from engine.evaluation import progress_bar_disabled
from engine.faults import InputError
from engine.images import UInt8Array, read_image, write_png
from engine.transforms import Normalize

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


class Predictor:
    """A network made ready to predict, with the stages of a prediction one by one.

    Args:
        fabric: where and in which precision the network runs.
        network: (N, 3, H, W) float -> (N, C, H, W) logits.
        about: what its weights belong to.
        benchmark: says what a prediction holds.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, about: About, benchmark: Benchmark) -> None:
        self.device = fabric.device
        self._model = fabric.setup_module(network.eval().to(memory_format=torch.channels_last))
        self._normalize = fabric.to_device(Normalize(about.mean, about.std))
        self._ids = torch.from_numpy(benchmark.prediction_ids).to(fabric.device)
        self._confidence_class = benchmark.confidence_class

    def decode(self, path: Path) -> UInt8Array:
        """Image file -> (H, W, 3) RGB."""
        return read_image(path)

    def transfer(self, image: UInt8Array) -> torch.Tensor:
        """(H, W, 3) in memory -> (1, 3, H, W) uint8 on the device."""
        return torch.tensor(image).to(self.device).permute(2, 0, 1)[None]

    @torch.inference_mode()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        logits: torch.Tensor = self._model(self._normalize(image).contiguous(memory_format=torch.channels_last))
        return logits

    @torch.inference_mode()
    def argmax(self, logits: torch.Tensor) -> UInt8Array:
        """(1, C, H, W) logits -> (H, W) ids or confidences, back in memory."""
        if self._confidence_class is None:
            pixels = self._ids[logits[0].argmax(0)]
        else:
            pixels = (255 * logits[0].float().softmax(0)[self._confidence_class]).round().to(torch.uint8)
        prediction: UInt8Array = pixels.cpu().numpy()
        return prediction

    def encode(self, prediction: UInt8Array, path: Path) -> None:
        """(H, W) ids -> PNG file."""
        write_png(path, prediction)

    def __call__(self, path: Path) -> tuple[UInt8Array, UInt8Array]:
        """Image file -> the (H, W, 3) image and its (H, W) ids."""
        image = self.decode(path)
        return image, self.argmax(self.forward(self.transfer(image)))


class Overlays(NamedTuple):
    """Pictures for people: each image with its prediction in colour over it."""

    folder: Path
    colors: UInt8Array
    """(256, 3) RGB of each id."""

    def write(self, name: str, image: UInt8Array, prediction: UInt8Array) -> None:
        """Write the picture of a (H, W, 3) image and its (H, W) ids."""
        mixed = (image.astype(np.uint16) + self.colors[prediction]) // 2
        write_png(self.folder / f"{name}_overlay.png", mixed.astype(np.uint8))


def predict(
    fabric: Fabric,
    predictor: Predictor,
    samples: Sequence[Sample],
    folder: Path,
    suffix: str,
    overlays: Overlays | None = None,
) -> None:
    """Predict this process's share of the samples, each to `<folder>/<name><suffix>`.

    Afterwards the folder holds the predictions of these samples and of no others.
    """
    if fabric.is_global_zero:
        _remove_others(folder, suffix, {folder / f"{sample.name}{suffix}" for sample in samples})
    mine = samples[fabric.global_rank :: fabric.world_size]
    for sample in tqdm(mine, "predict", disable=progress_bar_disabled(fabric), leave=False):
        image, prediction = predictor(sample.image)
        predictor.encode(prediction, folder / f"{sample.name}{suffix}")
        if overlays is not None:
            overlays.write(sample.name, image, prediction)


def list_images(folder: Path) -> list[Sample]:
    """All images in a folder and its subfolders, sorted, as samples without masks.

    Raises:
        InputError: if there is none.
    """
    endings = ", ".join(IMAGE_ENDINGS)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with images ({endings})")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: no image in it; expected files that end in {endings}")
    stems = Counter(path.with_suffix("") for path in paths)
    return [
        # photo.png beside photo.jpg: the ending keeps their predictions apart.
        Sample(str((path if stems[path.with_suffix("")] > 1 else path.with_suffix("")).relative_to(folder)), path, None)
        for path in paths
    ]


def _remove_others(folder: Path, suffix: str, expected: set[Path]) -> None:
    for path in folder.rglob(f"*{suffix}"):
        if path not in expected:
            path.unlink()
