"""Cityscapes as a benchmark: files -> samples, predictions -> scores and submission."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms import v2

from cityscapes import layout
from cityscapes.labels import CLASSES, COLOR_OF, LABEL_ID_OF
from engine import environment
from engine.dataset import Benchmark, FileReader, Sample, SegmentationDataset, Transform
from engine.faults import InputError
from engine.prediction import Predictions
from engine.transforms import IMAGENET_MEAN, IMAGENET_STD, ancestor_augmentation


class CityscapesBenchmark(Benchmark):
    """Semantic segmentation of street scenes in 19 classes (Cordts et al. 2016)."""

    name = "cityscapes"
    classes = CLASSES
    splits = layout.SPLITS
    hidden_splits = ("test",)
    training_splits = layout.COARSE_SPLITS
    prediction_ids = LABEL_ID_OF
    prediction_suffix = "_labelId_preds.png"
    prediction_colors = COLOR_OF

    def samples(self, root: Path, split: str) -> list[Sample]:
        """The images of a split and, but for test, their masks from `generate_gt.py`, of gtFine or of gtCoarse."""
        layout.require_root(root)
        annotations = layout.COARSE if split in layout.COARSE_SPLITS else layout.ANNOTATIONS
        folder = split.removeprefix(layout.COARSE_PREFIX)
        scenes = layout.pictured_scenes(root, folder)
        if not scenes:
            archive = "trainextra" if folder == "train_extra" else "trainvaltest"
            raise InputError(
                f"{root / layout.IMAGES / folder}: no *_{layout.IMAGES}.png in its city folders; "
                f"unpack leftImg8bit_{archive}.zip (cityscapes-dataset.com) into {root}"
            )
        masked = split != "test"
        samples = [
            Sample(
                f"{scene.city}/{scene.stem}",
                scene.image(root),
                scene.generated_mask(root, "trainId", annotations) if masked else None,
            )
            for scene in scenes
        ]
        missing = [sample.mask for sample in samples if sample.mask is not None and not sample.mask.is_file()]
        if missing:
            coarse = f" --annotations {annotations}" if annotations == layout.COARSE else ""
            raise InputError(
                f"{missing[0]}: no such file, {len(missing)} of {len(samples)} masks of the {split} split are missing; "
                f"draw them from the polygons: python generate_gt.py --root {root}{coarse}"
            )
        return samples

    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """What the evaluation server would say, about the scenes of the split that have an image."""
        from cityscapes import scoring

        labelled = layout.labelled_scenes(root, split)
        scenes = sorted(set(labelled) & set(layout.pictured_scenes(root, split)))
        scores = scoring.score(predictions, root, split, workers=workers, scenes=scenes)
        some = "" if scenes == labelled else f"\n{len(labelled) - len(scenes)} scenes without an image are left out"
        return scores.to_json(), f"{len(scenes)} scenes of {split}{some}\n\n{scoring.table(scores)}"

    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Check the predictions of the test split and zip them."""
        from cityscapes import submission

        note = Predictions.note(predictions)
        origin = json.loads(note.read_text()) if note.is_file() else {}
        made_with = origin | {"commit": environment.commit()}
        report = submission.pack(predictions, archive, root, workers=workers, made_with=made_with)
        warnings = "".join(f"warning: {finding}\n" for finding in report.warnings)
        return f"{warnings}{archive}: {report.predictions} predictions, as the server wants them"


class CityScapes(SegmentationDataset):
    """The data set under the name and with the arguments that the ancestor project gave it.

    Args:
        root_dir: the Cityscapes folder.
        split: train or val.
        transform: of an image and its mask, both uint8 tensors.
    """

    def __init__(self, root_dir: str | Path, split: str, transform: Transform | None = None) -> None:
        benchmark = CityscapesBenchmark()
        super().__init__(benchmark.samples(Path(root_dir), split), FileReader(benchmark.read_mask), transform)


def get_transforms(
    train_crop_size: Sequence[int], mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The ancestor project's transforms for training, and for validation and test.

    Args:
        train_crop_size: side of the crops, or height and width, which must be equal.
        mean: of the channels, 0 to 1.
        std: likewise.

    Returns:
        Two transforms of an image, or of an image and its mask; images become float32 and normalised.
    """
    side = max(train_crop_size)
    if side != min(train_crop_size):
        raise InputError(f"get_transforms: got crops of {tuple(train_crop_size)}, expected a square")
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    return v2.Compose([v2.ToImage(), ancestor_augmentation(side, CLASSES.void), *finish]), v2.Compose(finish)
