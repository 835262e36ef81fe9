"""Scores of CamVid as papers report them: counted over all images, without void."""

from collections.abc import Callable, Sequence
from pathlib import Path

from camvid import layout, masks
from camvid.labels import ANNOTATED, SEGNET
from engine import scoring
from engine.benchmark import Sample
from engine.cli.command import command
from engine.cli.scoring import report, scoring_parser
from engine.scoring import ScorerConfig, Scores

SUFFIX = "_preds.png"

CONFIGS = {
    "camvid": ScorerConfig(SEGNET, SUFFIX, masks.read_grey, f"{masks.TWELVE_CLASSES}, which must not be predicted"),
    "camvid32": ScorerConfig(ANNOTATED, SUFFIX, masks.read_colored, "write class indices, from which Void is left out"),
}
"""Name of the benchmark -> how its predictions are scored."""

SAMPLES: dict[str, Callable[[Path, str], list[Sample]]] = {
    "camvid": layout.segnet_samples,
    "camvid32": layout.annotated_samples,
}


def score(predictions: Path, root: Path, split: str, *, benchmark: str = "camvid", workers: int = 1) -> Scores:
    """Scores of the predictions of a split.

    Raises:
        InputError: with every fault of every file.
    """
    official = layout.SHARES[split] if benchmark == "camvid" else None  # papers split the 32 classes in other ways
    samples = SAMPLES[benchmark](root, split)
    return scoring.score(CONFIGS[benchmark], samples, predictions, official=official, workers=workers)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures."""
    parser = scoring_parser(
        "camvid.scoring",
        "Score predictions of CamVid: IoU, Dice and pixel accuracy over all images, without void.",
        [
            "python -m camvid.scoring --predictions outputs/fcn/test/predictions --root data",
            "python -m camvid.scoring --predictions outputs/fcn/test/predictions --root data --benchmark camvid32",
        ],
        f"<name of the image>{SUFFIX}, at any depth",
    )
    parser.add_argument("--split", choices=layout.SPLITS, default="test", help="split to score (default: test)")
    parser.add_argument(
        "--benchmark",
        choices=CONFIGS,
        default="camvid",
        help="camvid: 11 classes; camvid32: 32 classes (default: camvid)",
    )
    options = parser.parse_args(argv)
    report(
        lambda: score(
            options.predictions, options.root, options.split, benchmark=options.benchmark, workers=options.workers
        ),
        options.output,
        options.format,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
