"""Predictions and masks -> the scores of the VOC development kit, from one confusion matrix of all images."""

from collections.abc import Sequence
from pathlib import Path

from engine import scoring
from engine.cli.command import command
from engine.cli.scoring import report, scoring_parser
from engine.errors import InputError
from engine.scoring import ScorerConfig, Scores
from pascal_voc import layout
from pascal_voc.labels import CLASSES
from pascal_voc.masks import read_mask

SUFFIX = ".png"

CONFIG = ScorerConfig(
    CLASSES,
    SUFFIX,
    read_mask,
    "write class indices, background 0 to tv/monitor 20, not colours or the ids of another data set",
)

SCORED = tuple(split for split in layout.SPLITS if split not in layout.HIDDEN)


def score(predictions: Path, root: Path, split: str, *, workers: int = 1) -> Scores:
    """Score the predictions of a split that has masks.

    Raises:
        InputError: with the faults of all files.
    """
    if split in layout.HIDDEN:
        raise InputError(
            f"{predictions}: the masks of the {split} split are secret; pack the predictions for the server: "
            "python -m pascal_voc.submission pack"
        )
    samples = layout.samples(root, split)
    return scoring.score(CONFIG, samples, predictions, official=layout.official_count(root, split), workers=workers)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures."""
    parser = scoring_parser(
        "pascal_voc.scoring",
        "Score predictions of Pascal VOC as its development kit does: IoU of 21 classes, without border pixels.",
        [
            "python -m pascal_voc.scoring --predictions outputs/fcn/val/predictions --root data",
            "python -m pascal_voc.scoring --predictions outputs/fcn/seg11valid/predictions --split seg11valid",
        ],
        "<image id>.png, in any subfolders",
    )
    parser.add_argument("--split", choices=SCORED, default="val", help="split to score (default: val)")
    options = parser.parse_args(argv)
    report(
        lambda: score(options.predictions, options.root, options.split, workers=options.workers),
        options.output,
        options.format,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
