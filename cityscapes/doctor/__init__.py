"""Doctor: checks whether a Cityscapes data folder is complete and valid, and suggests how to fix it."""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cityscapes.doctor import inventory, pairing
from cityscapes.doctor.checkup import Checkup, Size, check_up
from cityscapes.doctor.inventory import ALL_SPLITS, ARCHIVES, KINDS, Inventory, SceneFiles
from cityscapes.layout import ANNOTATIONS, COARSE, IMAGE_SIZE, SPLITS
from cityscapes.official_counts import EXTRA_IMAGES, IMAGES_OF
from engine.cli import command
from engine.cli.command import BAD_INPUT
from engine.cli.invocation import spelled
from engine.cli.options import tool_parser
from engine.cli.parser import add_workers
from engine.errors import InputError
from engine.findings import Finding, counted, fault, note, of_severity
from engine.parallel import parallel_map

SIZE = "size"
"""Kind of the findings about image sizes."""

_COMPLAINTS = {
    "unreadable": ("that cannot be read", "unpack or generate them again"),
    "polygons": ("in polygon files, expected the gtFine format", f"unpack {ARCHIVES[ANNOTATIONS]} again, or fix them"),
    "ids": (
        "with ids that are not in the label table, expected label ids 0 to 33, train ids 0 to 18 or 255",
        "unpack or generate them again",
    ),
}


@dataclass(frozen=True)
class Count:
    """Numbers of files of one city."""

    split: str
    city: str
    """Name of the folder with the files."""
    files: Mapping[str, int]
    """Kind of file -> number of files, for every kind of `inventory.KINDS`."""
    official: int | None
    """Number of images in the official set; None for a city that is not in it."""


@dataclass(frozen=True)
class Diagnosis:
    """Contents of a data folder, and everything that is wrong with it."""

    root: Path
    counts: tuple[Count, ...]
    """Numbers of files, sorted by split, then city."""
    findings: tuple[Finding, ...]
    """Findings sorted by severity: faults, then notes."""

    @property
    def healthy(self) -> bool:
        """Whether there are no faults."""
        return not of_severity("fault", self.findings)

    @property
    def is_official(self) -> bool:
        """Whether each city has as many images as in the official set, and all have the official size."""
        return not any(finding.kind in (pairing.NUMBERS, SIZE) for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON content."""
        return {
            "root": str(self.root),
            "healthy": self.healthy,
            "official": self.is_official,
            "counts": [asdict(count) for count in self.counts],
            "findings": [asdict(finding) for finding in self.findings],
        }


def examine(root: Path, workers: int) -> Diagnosis:
    """Check a data folder; every file is read once.

    Raises:
        InputError: if there is no data set in the folder, or for every folder that cannot be listed.
    """
    misplaced = list(inventory.misplaced(root))
    found = inventory.take(root)
    checked: list[_Checked] = []
    for scene, checkup in parallel_map(check_up, found.scenes, workers=workers, title="check"):
        if isinstance(checkup, InputError):
            raise checkup
        checked.append((scene, checkup))
    findings = [
        *misplaced,
        *_wrong_city(found),
        *pairing.findings(found),
        *pairing.mixed(found),
        *_complaints(root, checked),
        *_sizes(checked),
        *_blank(checked),
        *pairing.numbers(found),
    ]
    ordered = (*of_severity("fault", findings), *of_severity("note", findings))
    return Diagnosis(root, tuple(_counts(found)), ordered)


_Checked = tuple[SceneFiles, Checkup]


def _counts(found: Inventory) -> Iterator[Count]:
    for split in ALL_SPLITS:
        for city in sorted({city for part, city, _ in found.counts if part == split}):
            files = {kind: found.counts.get((split, city, kind), 0) for kind in KINDS}
            yield Count(split, city, files, IMAGES_OF.get(split, {}).get(city))


def _wrong_city(found: Inventory) -> Iterator[Finding]:
    if found.wrong_city:
        what = f"got {counted(len(found.wrong_city), 'file')} in the folder of another city"
        yield fault("wrong city", what, "move each to the city that its name starts with", found.wrong_city)


def _complaints(root: Path, checked: Sequence[_Checked]) -> Iterator[Finding]:
    """Faults of broken files, one for each kind of damage."""
    details = defaultdict(list)
    for _, checkup in checked:
        for complaint in checkup.complaints:
            details[complaint.kind].append(complaint.detail.removeprefix(f"{root}/"))
    for kind, (what, remedy) in _COMPLAINTS.items():
        if details[kind]:
            noun = "error" if kind == "polygons" else "file"
            yield fault(kind, f"got {counted(len(details[kind]), noun)} {what}", remedy, details[kind])


def _sizes(checked: Sequence[_Checked]) -> Iterator[Finding]:
    """Findings about scenes whose files differ in size, or have a common size that is not the official one."""
    differing, unusual = [], []
    for scene, checkup in checked:
        sizes = set(checkup.sizes.values())
        if len(sizes) > 1:
            differing.append(f"{scene.stem}: {_by_size(checkup.sizes)}")
        elif sizes - {IMAGE_SIZE}:
            unusual += [f"{scene.stem}: {width} x {height}" for width, height in sizes]
    if differing:
        what = f"got {counted(len(differing), 'scene')} whose image and masks differ in size"
        yield fault(SIZE, what, "generate the masks again, or unpack the matching images", differing)
    if unusual:
        what = (
            f"got {counted(len(unusual), 'scene')} of another size than the official {' x '.join(map(str, IMAGE_SIZE))}"
        )
        yield note(SIZE, what, "fine for a synthetic or scaled set, but not for the evaluation server", unusual)


def _by_size(sizes: Mapping[str, Size]) -> str:
    """The sizes of the files of a scene, for example `image 2048 x 1024, labelIds 1024 x 512`."""
    kinds = defaultdict(list)
    for kind, size in sizes.items():
        kinds[size].append(kind)
    return ", ".join(f"{'/'.join(names)} {width} x {height}" for (width, height), names in kinds.items())


def _blank(checked: Sequence[_Checked]) -> Iterator[Finding]:
    """Notes on annotations without any scored class."""
    dummies = [scene.stem for scene, checkup in checked if checkup.blank and scene.split == "test"]
    blank = [scene.stem for scene, checkup in checked if checkup.blank and scene.split != "test"]
    if dummies:
        what = f"test: got {counted(len(dummies), 'dummy annotation')}, as expected: only the server has the true ones"
        yield note("dummies", what, "score on val, or submit predictions of test to the server", dummies)
    if blank:
        what = f"got {counted(len(blank), 'annotation')} without any scored class"
        yield note("blank", what, "check them, because a mask that is void everywhere is useless for training", blank)


def _table(counts: Sequence[Count]) -> list[str]:
    """The counts as aligned lines, with a total for each split; columns of gtCoarse only if it has files."""
    kinds = [kind for kind in KINDS if KINDS[kind][0] != COARSE or any(count.files[kind] for count in counts)]
    folders = [KINDS[kind][0] for kind in kinds]
    groups = [folder if folders.index(folder) == column else "" for column, folder in enumerate(folders)]
    rows = [["", "", *groups, ""], ["split", "city", *(kind.removeprefix("coarse ") for kind in kinds), "official"]]
    for split in ALL_SPLITS:
        of_split = [count for count in counts if count.split == split]
        if not of_split and split not in SPLITS:
            continue
        rows += [_row(split, count.city, [count.files[kind] for kind in kinds], count.official) for count in of_split]
        total = [sum(count.files[kind] for count in of_split) for kind in kinds]
        rows.append(_row(split, "all", total, sum(IMAGES_OF[split].values()) if split in IMAGES_OF else EXTRA_IMAGES))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(split: str, city: str, files: Sequence[int], official: int | None) -> list[str]:
    return [split, city, *map(str, files), "-" if official is None else str(official)]


def _print(diagnosis: Diagnosis) -> None:
    for line in _table(diagnosis.counts):
        print(line)
    print()
    for finding in diagnosis.findings:
        print(spelled(f"{finding.severity}  {finding}"))
    found, noted = (len(of_severity(severity, diagnosis.findings)) for severity in ("fault", "note"))
    verdict = "healthy" if diagnosis.healthy else counted(found, "fault")
    unofficial = "" if diagnosis.is_official else ", not the official data set"
    print(f"{diagnosis.root}: {verdict}{unofficial}, {counted(noted, 'note')}")
    print(spelled(f"next: {_next(diagnosis)}"))


def _next(diagnosis: Diagnosis) -> str:
    """The next step to suggest."""
    if not diagnosis.healthy:
        return "apply the remedy of each fault, then run this command again"
    undrawn = any(finding.kind == pairing.NOT_GENERATED for finding in diagnosis.findings)
    return f"python {'generate_gt.py' if undrawn else 'train_fcn.py'} --root {diagnosis.root}"


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "cityscapes.doctor",
        "Check a Cityscapes data folder: list missing, damaged and inconsistent files, each with a remedy. "
        "Exit code 0: no faults; 2: faults.",
        [
            "python -m cityscapes.doctor --root data",
            "python -m cityscapes.doctor --root data/demo --json > diagnosis.json",
        ],
    )
    parser.add_argument("--root", type=Path, default=Path("data"), help="data folder (default: %(default)s)")
    add_workers(parser)
    parser.add_argument("--json", action="store_true", help="print the diagnosis as JSON")
    return parser


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Check a data folder and print the diagnosis."""
    arguments = _parser().parse_args(argv)
    diagnosis = examine(arguments.root, arguments.workers)
    if arguments.json:
        print(json.dumps(diagnosis.to_json(), indent=2))
    else:
        _print(diagnosis)
    return 0 if diagnosis.healthy else BAD_INPUT
