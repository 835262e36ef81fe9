"""Cityscapes as a benchmark: lists samples, scores predictions, and packs submissions."""

import sys
from pathlib import Path
from typing import Any

from cityscapes import layout
from cityscapes.labels import CLASSES, COLOR_OF, LABEL_ID_OF
from engine import environment
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError, printable
from engine.inference.output import origin_of


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
    terms = (
        "Cityscapes is freely available for non-commercial purposes: academic research, teaching, scientific "
        "publications and personal experimentation (https://www.cityscapes-dataset.com/license/)."
    )

    def samples(self, root: Path, split: str) -> list[Sample]:
        """The images of a split and, except for test, their masks drawn by `generate_gt.py` from gtFine or gtCoarse.

        Annotated scenes without an image are left out, with a warning on stderr.
        """
        layout.require_root(root)
        annotations = layout.COARSE if split in layout.COARSE_SPLITS else layout.ANNOTATIONS
        folder = split.removeprefix(layout.COARSE_PREFIX)
        scenes = layout.scenes_with_image(root, folder)
        if not scenes:
            archive = "trainextra" if folder == "train_extra" else "trainvaltest"
            raise InputError(
                f"{root / layout.IMAGES / folder}: no *_{layout.IMAGES}.png in its city folders; "
                f"unpack leftImg8bit_{archive}.zip (cityscapes-dataset.com) into {root}"
            )
        masked = split != "test"
        pictureless = sorted(_annotated_scenes(root, folder, annotations) - {*scenes}) if masked else []
        if pictureless:
            print(
                f"warning: {pictureless[0].image(root)}: no such file; {len(pictureless)} of "
                f"{len(pictureless) + len(scenes)} annotated scenes of the {split} split have no image and are left "
                f"out. If you want all, unpack {layout.IMAGES} again",
                file=sys.stderr,
            )
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
        """The scores of the evaluation server, over the annotated scenes that have a prediction or an image."""
        from cityscapes import scoring

        result = scoring.measure(predictions, root, split, workers=workers, known_ids=True)
        return result.to_json(), str(result)

    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Check the predictions of the test split and zip them."""
        from cityscapes import submission

        made_with = origin_of(predictions) | {"commit": environment.commit()}
        report = submission.pack(predictions, archive, root, task="pixel", workers=workers, made_with=made_with)
        warnings = "".join(printable(f"warning: {finding}\n") for finding in report.warnings)
        following = report.next_step(f"upload {archive} at cityscapes-dataset.com")
        return f"{warnings}{archive}: {report.verdict(root)}\n{following}"


def _annotated_scenes(root: Path, folder: str, annotations: str) -> set[layout.Scene]:
    """The scenes that have polygons, or a mask drawn from them."""
    return {
        *layout.scenes_with_polygons(root, folder, annotations),
        *layout.scenes_with_generated_mask(root, folder, annotations),
    }
