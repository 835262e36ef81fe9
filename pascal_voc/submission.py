"""Predictions of the test set -> a tar.gz for the evaluation server.

    results/VOC2012/Segmentation/comp6_test_cls/<image id>.png      palette PNGs of class indices

comp5 is for networks that were trained only on images of VOC; ImageNet weights or SBD require comp6. The development
kit reads the results of val, comp6_val_cls, from the same layout.
"""

import argparse
import io
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.cli.submission import add_subset, next_line, packed
from engine.errors import ErrorCollector, InputError
from engine.files import png_chunks
from engine.files.images import image_size, quiet_pillow
from engine.findings import Finding, counted, fault
from pascal_voc import archive as archives
from pascal_voc import layout
from pascal_voc.archive import Entry
from pascal_voc.labels import CLASSES

COMPETITIONS = ("comp6", "comp5")
SPLITS = ("test", "val")
_PREDICT = "predict the whole split, and nothing else"

Size = tuple[int, int]
"""Width and height."""


class Report(NamedTuple):
    """Result of a check without faults."""

    predictions: int
    """Number of predictions."""
    split: str
    """Split of the predictions: test or val."""
    deviation: str
    """Differences in number and size between the images of the split and the official ones; empty if there are none."""

    @property
    def verdict(self) -> str:
        """The result in one line."""
        predictions = f"{counted(self.predictions, 'prediction')}, one for each image of {self.split}"
        if not self.deviation:
            return f"ok: {predictions}"
        purpose = "the server" if self.split == "test" else "comparisons"
        return f"not for {purpose}: {predictions}; that is not the official split: {self.deviation}"

    def next_step(self, archive: Path) -> str:
        """The line that suggests the next step for an archive."""
        if self.split != "test":
            return f"next: unpack {archive} into VOCdevkit/, where the development kit finds it"
        return next_line(self.deviation, f"upload {archive} to the evaluation server", "images of VOC2012test.tar")


def results_folder(root: Path, competition: str = COMPETITIONS[0], split: str = SPLITS[0]) -> str:
    """Folder within an archive in which the server, or the development kit, expects the predictions."""
    return f"results/{layout.find_devkit(root).year.name}/Segmentation/{competition}_{split}_cls"


def check(path: Path, root: Path, *, split: str = SPLITS[0]) -> Report:
    """Check the predictions of a split in a folder or tar.gz.

    Raises:
        InputError: with every fault.
    """
    entries, faults = archives.read(path), []
    if path.is_file():
        folders = {results_folder(root, competition, split) for competition in COMPETITIONS}
        astray = [entry.name for entry in entries if str(PurePosixPath(entry.name).parent) not in folders]
        if astray:
            what = f"got {counted(len(astray), 'PNG')} outside {' or '.join(sorted(folders))}"
            faults.append(fault("folder", what, archives.PACK, astray))
    sizes = _sizes(root, split)
    _require_none(path, [*faults, *_findings(entries, sizes)])
    return Report(len(entries), split, _deviation(root, split, sizes))


def pack(
    folder: Path, archive: Path, root: Path, *, competition: str = COMPETITIONS[0], split: str = SPLITS[0]
) -> Report:
    """Check the predictions of a split in a folder and pack them; the result is reproducible.

    Raises:
        InputError: with every fault; nothing is written in that case.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that the predictions were written to")
    if not archive.name.endswith((".tar.gz", ".tgz")) or archive.is_dir():
        raise InputError(f"{archive}: expected the name of a file ending in .tar.gz; choose another")
    entries = archives.read(folder)
    sizes = _sizes(root, split)
    _require_none(folder, list(_findings(entries, sizes)))
    archives.write(archive, results_folder(root, competition, split), entries)
    return Report(len(entries), split, _deviation(root, split, sizes))


def _sizes(root: Path, split: str) -> dict[str, Size]:
    """Image id -> width and height in pixels, of all images of a split.

    Raises:
        InputError: with every image that cannot be read.
    """
    sizes: dict[str, Size] = {}
    faults = ErrorCollector()
    for sample in layout.samples(root, split):
        with faults.collect():
            sizes[sample.name] = image_size(sample.image)
    faults.raise_if_any()
    return sizes


def _deviation(root: Path, split: str, sizes: dict[str, Size]) -> str:
    """Differences in number and size between the images of a split and the official ones."""
    year = layout.find_devkit(root).year.name
    official = layout.OFFICIAL.get(year, {}).get(split)
    parts = []
    if official is None:
        parts.append(f"the official number of images of {split} in {year} is not known, got {len(sizes)}")
    elif len(sizes) != official:
        parts.append(f"got {counted(len(sizes), 'image')}, {split} of {year} has {official}")
    longest = max(map(max, sizes.values()))
    if longest != layout.LONGER_SIDE:
        parts.append(f"the largest image has {longest} pixels on its longer side, expected {layout.LONGER_SIDE}")
    return "; ".join(parts)


def _require_none(path: Path, faults: Sequence[Finding]) -> None:
    if faults:
        raise InputError(*(f"{path}: {finding}" for finding in faults))


def _findings(entries: Sequence[Entry], images: dict[str, Size]) -> Iterator[Finding]:
    """Faults of missing, unknown and duplicate predictions, and of their format and content."""
    number = Counter(entry.image_id for entry in entries)
    if missing := [name for name in images if name not in number]:
        what = f"got no prediction for {len(missing)} of {counted(len(images), 'image')}"
        yield fault("missing", what, _PREDICT, missing)
    if unknown := [name for name in number if name not in images]:
        what = f"got predictions for {counted(len(unknown), 'image')} outside the list of the split"
        yield fault("not in the split", what, _PREDICT, unknown)
    if doubles := [name for name, times in number.items() if times > 1]:
        what = f"got more than one prediction for {counted(len(doubles), 'image')}"
        yield fault("duplicates", what, "keep one of each", doubles)
    yield from _of_content([entry for entry in entries if entry.image_id in images], images)


def _of_content(entries: Sequence[Entry], images: dict[str, Size]) -> Iterator[Finding]:
    remedies = {
        "colour": "write class indices, not colours",
        "damaged": "predict these images again",
        "size": "predict at full size, or enlarge the logits before the argmax",
        "index": f"write 0 to {len(CLASSES) - 1}, because the server does not accept 255",
    }
    wrong: dict[str, list[str]] = {kind: [] for kind in remedies}
    for entry in entries:
        kind, detail = _problem(entry.content, images[entry.image_id])
        if kind:
            wrong[kind].append(f"{entry.name}: {detail}")
    for kind, names in wrong.items():
        if names:
            yield fault(kind, f"got {counted(len(names), 'prediction')} that the server refuses", remedies[kind], names)


def _problem(content: bytes, size: Size) -> tuple[str, str]:
    """Kind and detail of the fault of a prediction; empty if there is none."""
    try:
        png_chunks.verify(content)
        with quiet_pillow():
            image = Image.open(io.BytesIO(content), formats=["PNG"])
            image.load()
        if image.mode not in ("L", "P"):
            return "colour", f"got {image.mode}, expected 8 bits, palette or grey"
        if image.size != size:
            return "size", f"got {image.width} x {image.height}, expected {size[0]} x {size[1]}"
        highest = int(np.asarray(image).max())
    except archives.UNDECODABLE as error:
        return "damaged", str(error)
    return ("index", f"got {highest}") if highest >= len(CLASSES) else ("", "")


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "pascal_voc.submission",
        "Check predictions of the VOC test set, or of val, as the evaluation server does, and pack them.",
        [
            "python -m pascal_voc.submission check outputs/fcn/test/predictions --root data",
            "python -m pascal_voc.submission pack outputs/fcn/test/predictions submission.tar.gz --root data",
            "python -m pascal_voc.submission pack outputs/fcn/val/predictions val.tar.gz --root data --split val",
        ],
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|pack")
    checking = actions.add_parser(
        "check", help="list every fault of a folder or tar.gz", description="List every fault."
    )
    checking.add_argument("path", type=Path, metavar="PATH", help="folder or tar.gz of <image id>.png")
    packing = actions.add_parser(
        "pack", help="check a folder, then pack it", description="Check a folder, then pack it."
    )
    packing.add_argument("path", type=Path, metavar="DIR", help="folder of <image id>.png")
    packing.add_argument("archive", type=Path, metavar="TAR.GZ", help="file to write, which is replaced if it exists")
    packing.add_argument(
        "--competition",
        choices=COMPETITIONS,
        default="comp6",
        help="comp5: trained only on images of VOC; comp6: also on other data (default: comp6)",
    )
    add_subset(packing)
    for action in (checking, packing):
        action.add_argument(
            "--split",
            choices=SPLITS,
            default="test",
            help="split of the predictions; val is for the development kit (default: test)",
        )
        action.add_argument(
            "--root", type=Path, default=Path("data"), help="data folder, with VOCdevkit/ (default: data)"
        )
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Check or pack a submission; code 2 for a fault, 1 if a packed archive is not of the official images."""
    options = _parser().parse_args(argv)
    path: Path = options.path
    root: Path = options.root
    if options.action == "check":
        found = check(path, root, split=options.split)
        print(found.verdict)
        words = ["python", "-m", "pascal_voc.submission", "pack", path, "submission.tar.gz", "--root", root]
        pack_it = shlex.join(map(str, [*words, "--split", options.split]))
        print(f"next: {pack_it}" if path.is_dir() and not found.deviation else found.next_step(path))
        return 0
    found = pack(path, options.archive, root, competition=options.competition, split=options.split)
    print(f"{found.verdict}\npacked into {options.archive}\n{found.next_step(options.archive)}")
    official = f"the official {options.split} images"
    return packed(options.archive, found.deviation, official, subset=options.subset)


if __name__ == "__main__":
    raise SystemExit(main())
