"""Prediction as in the original FCN8s repository: one image after the other, in one thread.

Usage: `python -m bench.contenders.original WEIGHTS IMAGES PREDICTIONS`; the last two are folders.

The network runs as written, in float32 and contiguous memory, on a GPU if there is one.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

import catalogue.weights
from bench.as_written import relu_first
from cityscapes.dataset import CityscapesBenchmark
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD


def main(weights: Path, images: Path, predictions: Path) -> None:
    """Predict every PNG in a folder and write label-id PNGs."""
    network, about, _ = catalogue.weights.load_network(weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    relu_first(network).eval().to(device)
    table = CityscapesBenchmark().prediction_ids[: about.num_classes]
    transform = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    )
    for path in sorted(images.rglob("*.png")):
        image = transform(Image.open(path).convert("RGB"))[None].to(device)
        with torch.no_grad():
            train_ids = network(image).argmax(1)[0].cpu().numpy()
        label_ids = np.zeros(train_ids.shape, np.uint8)
        for train_id, label_id in enumerate(table):
            label_ids[train_ids == train_id] = label_id
        target = predictions / path.parent.name / path.name.replace("_leftImg8bit.png", "_labelId_preds.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label_ids).save(target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
