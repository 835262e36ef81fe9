"""Draw ground truth: polygons in gtFine/ -> masks of label ids, train ids and colours."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cityscapes import agreement, ground_truth, label_file, layout, worklist
from cityscapes.ground_truth import Recipe, Result
from cityscapes.labels import OFFICIAL, LabelTable
from engine import files, options
from engine.faults import BAD_INPUT, InputError, command, report
from engine.images import write_png
from engine.parallel import available_cpus

EXAMPLES = (
    "python generate_gt.py",
    "python generate_gt.py --root /data/cityscapes --official_names --instance_ids",
    "python generate_gt.py --root /data/cityscapes --annotations gtCoarse",
    "python generate_gt.py --polygons my_annotations --labels my_labels.csv",
)


@dataclass(frozen=True)
class GenerateOptions:
    """What to draw, and where."""

    root: Path = Path("data")
    """folder that has gtFine/ or gtCoarse/; masks go to generated_gt/ or generated_gtCoarse/ in it"""
    annotations: Literal["gtFine", "gtCoarse"] = "gtFine"
    """which annotations of the root to draw"""
    polygons: Path | None = None
    """draw all polygon files below this folder in place of a root; masks go to generated_gt/ in it"""
    labels: Path | None = None
    """own label table, CSV or YAML with name, id, trainId and color"""
    fill: Literal["exact", "pillow"] = "exact"
    """exact: as the official masks; pillow: as the installed Pillow, to match masks made with it"""
    from_labels: bool = False
    """make train ids and colours from the *_labelIds.png that came with the data set, without polygons"""
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
    recipe = _recipe(chosen)
    if chosen.polygons is None:
        folder = chosen.root / layout.GENERATED_FROM[chosen.annotations]
        works = worklist.of_root(chosen.root, chosen.annotations, from_labels=recipe.from_labels)
    else:
        folder = chosen.polygons / layout.GENERATED
        works = worklist.of_folder(chosen.polygons, from_labels=recipe.from_labels)
    result = ground_truth.generate(works, recipe, workers=chosen.workers)
    _report(result, folder, recipe.table)
    return BAD_INPUT if result.faults else 0


def _recipe(chosen: GenerateOptions) -> Recipe:
    """The part of the options that says how masks are made.

    Raises:
        InputError: if options exclude each other, or the label table is faulty.
    """
    if chosen.from_labels and (chosen.instance_ids or chosen.fill != "exact"):
        raise InputError(
            "--from_labels makes no instance ids and fills no polygons; leave out --instance_ids and --fill"
        )
    return Recipe(
        fill=chosen.fill,
        table=label_file.read(chosen.labels) if chosen.labels else OFFICIAL,
        from_labels=chosen.from_labels,
        official_names=chosen.official_names,
        instance_ids=chosen.instance_ids,
        redo=chosen.redo,
    )


def _report(result: Result, folder: Path, table: LabelTable) -> None:
    """Say what was done and where masks differ, with a table and a picture in the folder of the masks."""
    print(f"{folder}: {result.drawn} scenes drawn, {result.up_to_date} were up to date, {result.faulty} faulty")
    found = result.agreement
    picture = folder / "agreement_worst.png"
    if found.total.pixels:
        print(agreement.text(found, table))
        files.write_text(folder / "agreement.csv", agreement.as_csv(found, table))
    if found.worst is None:
        picture.unlink(missing_ok=True)
    else:
        write_png(picture, agreement.picture(found.worst, table))
        print(f"  every label and scene: {folder / 'agreement.csv'}; where {found.worst.name} differs: {picture}")
    report(result.faults)


if __name__ == "__main__":
    sys.exit(main())
