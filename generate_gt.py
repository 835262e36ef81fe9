"""Draw ground truth: polygons in gtFine/ -> masks of label ids, train ids and colours."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cityscapes import ground_truth, layout
from engine import options
from engine.faults import BAD_INPUT, command, report
from engine.parallel import available_cpus

EXAMPLES = (
    "python generate_gt.py",
    "python generate_gt.py --root /data/cityscapes --official_names --instance_ids",
)


@dataclass(frozen=True)
class GenerateOptions:
    """What to draw, and where."""

    root: Path = Path("data")
    """folder that has gtFine/; masks go to generated_gt/ in it"""
    official_names: bool = False
    """also write *_gtFine_labelIds.png, *_labelTrainIds.png and *_color.png beside the polygons, for other tools; masks that came with the data set are kept"""  # noqa: E501
    instance_ids: bool = False
    """also write masks of instance ids"""
    redo: bool = False
    """draw again what is up to date"""
    workers: int = available_cpus()
    """processes that draw"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Draw what is not up to date, and report agreement with the masks that came with the data set."""
    chosen = options.parse(
        GenerateOptions,
        argv,
        prog="generate_gt.py",
        description="Draw the ground truth of the train and val splits from its polygons.",
        examples=EXAMPLES,
    )
    result = ground_truth.generate(
        chosen.root,
        official_names=chosen.official_names,
        instance_ids=chosen.instance_ids,
        redo=chosen.redo,
        workers=chosen.workers,
    )
    print(
        f"{chosen.root / layout.GENERATED}: {result.drawn} scenes drawn, {result.up_to_date} were up to date, "
        f"{len(result.faults)} faulty"
    )
    if result.agreement.pixels:
        print(result.agreement.table())
    report(result.faults)
    return BAD_INPUT if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
