"""Draw ground-truth masks of label ids, train ids and colours from the polygons of Cityscapes."""

import engine.cli.interrupts  # noqa: F401  # Ctrl-C during what follows

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cityscapes import ground_truth, layout
from cityscapes.ground_truth import agreement, worklist
from cityscapes.labels import OFFICIAL, LabelTable
from engine.cli import options
from engine.cli.command import BAD_INPUT, command, report
from engine.cli.invocation import spelled
from engine.errors import InputError
from engine.files.lock import exclusive
from engine.findings import counted, grouped
from engine.parallel import available_cpus
from engine.ranges import WORKERS, out_of_range

EXAMPLES = (
    "python generate_gt.py",
    "python generate_gt.py --panoptic",
    "python generate_gt.py --root /data/cityscapes --official_names --instance_ids",
    "python generate_gt.py --root /data/cityscapes --annotations gtCoarse",
    "python generate_gt.py --polygons my_annotations --labels my_labels.csv",
)


@dataclass(frozen=True)
class GenerateOptions:
    """Options of `generate_gt.py`."""

    root: Path = Path("data")
    """data folder with gtFine/ or gtCoarse/; masks go to generated_gt/ or generated_gtCoarse/ in it"""
    annotations: Literal["gtFine", "gtCoarse"] = "gtFine"
    """annotations in the root to draw: fine or coarse"""
    polygons: Path | None = None
    """draw all polygon files below this folder instead of a Cityscapes root; masks go to generated_gt/ in it"""
    labels: Path | None = None
    """custom label table: CSV or YAML with name, id, trainId and color"""
    fill: Literal["exact", "pillow"] = "exact"
    """polygon fill rule; exact: equal to the official masks; pillow: that of the installed Pillow, to match masks made with it"""  # noqa: E501
    from_labels: bool = False
    """make train ids and colours from the official *_labelIds.png, without polygons"""
    official_names: bool = False
    """also write *_gtFine_labelIds.png, *_labelTrainIds.png and *_color.png next to the polygons, for other tools; official masks are never overwritten"""  # noqa: E501
    instance_ids: bool = False
    """also write masks of instance ids, *_instanceId.png"""
    panoptic: bool = False
    """also write panoptic ground truth, cityscapes_panoptic_<split>.json and its folder of PNGs; with --from_labels from the official *_instanceIds.png, with --official_names also in gtFine/"""  # noqa: E501
    panoptic_train_ids: bool = False
    """also write panoptic ground truth whose category ids are train ids, cityscapes_panoptic_<split>_trainId"""
    redo: bool = False
    """draw all masks again, even those that are up to date"""
    workers: int = available_cpus()
    """number of processes; by default one per CPU"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Draw the masks that are not up to date, and report their agreement with the official masks."""
    chosen = options.parse(
        GenerateOptions,
        argv,
        prog="generate_gt.py",
        description="Draw the ground-truth masks of Cityscapes, or of your own annotations, from their polygons.",
        examples=EXAMPLES,
    )
    if faults := out_of_range(vars(chosen), {"workers": WORKERS}):
        raise InputError(*faults)
    return _generate(chosen)


def _generate(chosen: GenerateOptions) -> int:
    """Draw the masks and print the report; the exit code says whether there were faults."""
    _require_panoptic_is_possible(chosen)
    mask_options = ground_truth.MaskOptions(
        fill=chosen.fill,
        table=_table(chosen.labels),
        from_labels=chosen.from_labels,
        official_names=chosen.official_names,
        instance_ids=chosen.instance_ids,
        panoptic=chosen.panoptic,
        panoptic_train_ids=chosen.panoptic_train_ids,
        redo=chosen.redo,
    )
    if chosen.polygons is None:
        folder = chosen.root / layout.GENERATED_FROM[chosen.annotations]
        jobs = worklist.of_root(chosen.root, chosen.annotations, from_labels=mask_options.from_labels)
        lacking = worklist.incomplete(chosen.root, chosen.annotations, from_labels=mask_options.from_labels)
        coverage = [worklist.coverage(jobs, chosen.annotations)]
    else:
        folder = chosen.polygons / layout.GENERATED
        jobs = worklist.of_folder(chosen.polygons, from_labels=mask_options.from_labels)
        lacking, coverage = [], []
    with suppress(OSError):  # masks that are up to date need no folder that can be written
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder, "draw with one set of options at a time"):
        result = ground_truth.generate(jobs, mask_options, workers=chosen.workers)
        agreed = agreement.report(result.agreement, folder, mask_options.table)
    faulty = result.faulty + len(lacking)
    where = " there and next to the polygons" if chosen.official_names else ""
    print(
        f"{folder}: {counted(result.drawn, 'scene')} drawn, {result.up_to_date} were up to date, {faulty} faulty; "
        f"{counted(result.written, 'mask')} written{where}"
    )
    for line in [*coverage, *agreed, *result.documents]:
        print(line)
    report(grouped([*lacking, *result.faults], shown=50))  # on a full disk, thousands of files fail alike
    failed = bool(lacking or result.faults)
    print(spelled(f"next: {_next(chosen, failed)}"))
    return BAD_INPUT if failed else 0


def _require_panoptic_is_possible(chosen: GenerateOptions) -> None:
    """Refuse panoptic ground truth of annotations that the official tools do not convert.

    Raises:
        InputError: for each option that excludes it.
    """
    if not chosen.panoptic and not chosen.panoptic_train_ids:
        return
    others = {
        "--polygons": chosen.polygons is not None,
        "--labels": chosen.labels is not None,
        "--annotations gtCoarse": chosen.annotations == layout.COARSE,
    }
    given = [option for option, is_given in others.items() if is_given]
    if given:
        raise InputError(
            f"panoptic ground truth is that of gtFine with the official labels, got {' and '.join(given)}; "
            "leave out --panoptic and --panoptic_train_ids, or these options"
        )


def _next(chosen: GenerateOptions, faulty: bool) -> str:
    """The next step to suggest."""
    if faulty:
        return "fix these files, then run the same command again: it draws only the missing masks"
    if chosen.polygons is not None:
        return "to score with them: docs/converters.md; to train on them, write your own benchmark: docs/networks.md"
    split = " --train_split coarse_train --val_split coarse_val" if chosen.annotations == layout.COARSE else ""
    return f"python train_fcn.py --root {chosen.root}{split}"


def _table(path: Path | None) -> LabelTable:
    """The label table in a file, or the official one."""
    if path is None:
        return OFFICIAL
    from cityscapes import label_file  # imported late: most runs do not need it, and imports dominate a short run

    return label_file.read(path)


if __name__ == "__main__":
    sys.exit(main())
