"""Is a Cityscapes data folder complete and sane, and what is to be done if not?"""

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
from engine.cli.parser import process_count
from engine.errors import InputError
from engine.findings import Finding, counted, fault, note, of_severity
from engine.parallel import available_cpus, parallel_map

SIZE = "size"
"""Kind of findings on sizes."""

_COMPLAINTS = {
    "unreadable": ("that cannot be read", "unpack or generate them again"),
    "polygons": ("in polygon files, expected those of gtFine", f"unpack {ARCHIVES[ANNOTATIONS]} again, or fix them"),
    "ids": (
        "with ids that the label table lacks, expected label ids 0 to 33, train ids 0 to 18 or 255",
        "unpack or generate them again",
    ),
}


@dataclass(frozen=True)
class Count:
    """The files of one city."""

    split: str
    city: str
    """The folder that the files lie in."""
    files: Mapping[str, int]
    """Kind of file -> number, for every kind of `inventory.KINDS`."""
    official: int | None
    """Images that the official set has here; None for a city that it lacks."""


@dataclass(frozen=True)
class Diagnosis:
    """What is in a data folder and what is wrong with it."""

    root: Path
    counts: tuple[Count, ...]
    """By split, then city."""
    findings: tuple[Finding, ...]
    """Faults before notes."""

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return not of_severity("fault", self.findings)

    @property
    def is_official(self) -> bool:
        """Whether the set has as many images of each city as the official one, all of the official size."""
        return not any(finding.kind in (pairing.NUMBERS, SIZE) for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON content, for other programs."""
        return {
            "root": str(self.root),
            "healthy": self.healthy,
            "official": self.is_official,
            "counts": [asdict(count) for count in self.counts],
            "findings": [asdict(finding) for finding in self.findings],
        }


def examine(root: Path, workers: int) -> Diagnosis:
    """Read every file of a data folder once.

    Raises:
        InputError: if there is no data set in the folder.
    """
    misplaced = list(inventory.misplaced(root))
    found = inventory.take(root)
    checked: list[_Checked] = []
    for scene, checkup in parallel_map(check_up, found.scenes, workers=workers, title="examine"):
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
    """Broken files, by what is broken."""
    details = defaultdict(list)
    for _, checkup in checked:
        for complaint in checkup.complaints:
            details[complaint.kind].append(complaint.detail.removeprefix(f"{root}/"))
    for kind, (what, remedy) in _COMPLAINTS.items():
        if details[kind]:
            noun = "error" if kind == "polygons" else "file"
            yield fault(kind, f"got {counted(len(details[kind]), noun)} {what}", remedy, details[kind])


def _sizes(checked: Sequence[_Checked]) -> Iterator[Finding]:
    """Scenes whose files differ in size, or agree on another size than the official one."""
    differing, unusual = [], []
    for scene, checkup in checked:
        sizes = set(checkup.sizes.values())
        if len(sizes) > 1:
            differing.append(f"{scene.stem}: {_by_size(checkup.sizes)}")
        elif sizes - {IMAGE_SIZE}:
            unusual += [f"{scene.stem}: {width} x {height}" for width, height in sizes]
    if differing:
        what = f"got {counted(len(differing), 'scene')} whose image and masks differ in size"
        yield fault(SIZE, what, "generate the masks again, or unpack the images that belong to them", differing)
    if unusual:
        what = (
            f"got {counted(len(unusual), 'scene')} of another size than the official {' x '.join(map(str, IMAGE_SIZE))}"
        )
        yield note(SIZE, what, "right for a synthetic or scaled set, not for the evaluation server", unusual)


def _by_size(sizes: Mapping[str, Size]) -> str:
    """The sizes of the files of a scene: `image 2048 x 1024, labelIds 1024 x 512`."""
    kinds = defaultdict(list)
    for kind, size in sizes.items():
        kinds[size].append(kind)
    return ", ".join(f"{'/'.join(names)} {width} x {height}" for (width, height), names in kinds.items())


def _blank(checked: Sequence[_Checked]) -> Iterator[Finding]:
    """Annotations without any scored class."""
    dummies = [scene.stem for scene, checkup in checked if checkup.blank and scene.split == "test"]
    blank = [scene.stem for scene, checkup in checked if checkup.blank and scene.split != "test"]
    if dummies:
        what = f"test: got {counted(len(dummies), 'dummy annotation')}, as expected: the server keeps the true ones"
        yield note("dummies", what, "score on val, or send predictions of test to the server", dummies)
    if blank:
        what = f"got {counted(len(blank), 'annotation')} without any scored class"
        yield note("blank", what, "look at them; nothing can be learned from a void mask", blank)


def _table(counts: Sequence[Count]) -> list[str]:
    """The counts as aligned lines, with a total for each split; what is coarse only where there is some."""
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
    """What to do next."""
    if not diagnosis.healthy:
        return "do what the faults say, then run this again"
    undrawn = any(finding.kind == pairing.NOT_GENERATED for finding in diagnosis.findings)
    return f"python {'generate_gt.py' if undrawn else 'train_fcn.py'} --root {diagnosis.root}"


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "cityscapes.doctor",
        "Say what is missing or odd in a Cityscapes data folder, and what to do. Code 0: no faults, 2: faults.",
        [
            "python -m cityscapes.doctor --root data",
            "python -m cityscapes.doctor --root data/demo --json > diagnosis.json",
        ],
    )
    parser.add_argument("--root", type=Path, default=Path("data"), help="the data folder (default: %(default)s)")
    parser.add_argument(
        "--workers", type=process_count, default=available_cpus(), help="processes (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the diagnosis as JSON instead")
    return parser


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Examine a data folder and print the diagnosis."""
    arguments = _parser().parse_args(argv)
    diagnosis = examine(arguments.root, arguments.workers)
    if arguments.json:
        print(json.dumps(diagnosis.to_json(), indent=2))
    else:
        _print(diagnosis)
    return 0 if diagnosis.healthy else BAD_INPUT
