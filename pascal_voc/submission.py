"""Predictions of the test set -> a tar.gz that the evaluation server accepts.

    results/VOC2012/Segmentation/comp6_test_cls/<image id>.png      palette PNGs of class indices

comp5 is for networks that saw only VOC's own images; ImageNet weights or SBD make it comp6. The development kit reads
the results of val, as comp6_val_cls, from the same layout.
"""

import argparse
import gzip
import io
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.images import image_size
from engine.findings import Finding, counted, fault
from pascal_voc import layout
from pascal_voc.labels import CLASSES, PALETTE

COMPETITIONS = ("comp6", "comp5")
SPLITS = ("test", "val")

_PREDICT = "predict the whole split, and nothing else"
_PACK = "pack the folder: python -m pascal_voc.submission pack DIR TAR.GZ"


class Entry(NamedTuple):
    """One PNG of a folder or archive."""

    name: str
    """Its path therein."""
    content: bytes

    @property
    def image_id(self) -> str:
        """The image that it belongs to."""
        return PurePosixPath(self.name).stem


def results_folder(root: Path, competition: str = COMPETITIONS[0], split: str = SPLITS[0]) -> str:
    """Where the server, or the development kit, looks for the predictions in an archive."""
    return f"results/{layout.find_devkit(root).year.name}/Segmentation/{competition}_{split}_cls"


def check(path: Path, root: Path, *, split: str = SPLITS[0]) -> int:
    """Check the predictions of a split in a folder or tar.gz; the number of them if all is well.

    Raises:
        InputError: with every fault.
    """
    entries, faults = _entries(path), []
    if path.is_file():
        folders = {results_folder(root, competition, split) for competition in COMPETITIONS}
        astray = [entry.name for entry in entries if str(PurePosixPath(entry.name).parent) not in folders]
        if astray:
            what = f"got {counted(len(astray), 'PNG')} elsewhere than in {' or '.join(sorted(folders))}"
            faults.append(fault("folder", what, _PACK, astray))
    _require_none(path, [*faults, *_findings(entries, layout.samples(root, split))])
    return len(entries)


def pack(folder: Path, archive: Path, root: Path, *, competition: str = COMPETITIONS[0], split: str = SPLITS[0]) -> int:
    """Check the predictions of a split in a folder and pack them; the same predictions give the same bytes.

    Raises:
        InputError: with every fault, if there is any; then nothing is written.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that the predictions were written to")
    if not archive.name.endswith((".tar.gz", ".tgz")) or archive.is_dir():
        raise InputError(f"{archive}: expected the name of a file ending in .tar.gz; choose another")
    entries = _entries(folder)
    _require_none(folder, list(_findings(entries, layout.samples(root, split))))
    target = results_folder(root, competition, split)
    with (
        replacing(archive) as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for entry in sorted(entries, key=lambda entry: entry.image_id):
            content = _with_palette(entry.content)
            info = tarfile.TarInfo(f"{target}/{entry.image_id}.png")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return len(entries)


def _entries(path: Path) -> list[Entry]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.png") if file.name[0] != ".")
        found = [Entry(file.relative_to(path).as_posix(), file.read_bytes()) for file in files]
    elif path.is_file():
        found = _archived(path)
    else:
        raise InputError(f"{path}: no such folder or archive; give the folder of the predictions, or their tar.gz")
    if not found:
        raise InputError(f"{path}: no PNG in it; predict the test split first")
    return found


def _archived(path: Path) -> list[Entry]:
    try:
        with tarfile.open(path) as tar:
            files = [(member.name, tar.extractfile(member)) for member in tar if member.name.endswith(".png")]
            return [Entry(name, file.read()) for name, file in files if file is not None]
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: no whole tar archive ({error}); {_PACK}") from error


def _require_none(path: Path, faults: Sequence[Finding]) -> None:
    if faults:
        raise InputError(*(f"{path}: {finding}" for finding in faults))


def _findings(entries: Sequence[Entry], samples: Sequence[Sample]) -> Iterator[Finding]:
    """Every fault of attendance, of format and of content."""
    images = {sample.name: sample.image for sample in samples}
    number = Counter(entry.image_id for entry in entries)
    if missing := [name for name in images if name not in number]:
        what = f"got no prediction of {len(missing)} of {counted(len(images), 'image')}"
        yield fault("missing", what, _PREDICT, missing)
    if strangers := [name for name in number if name not in images]:
        what = f"got predictions of {counted(len(strangers), 'image')} that the split's list lacks"
        yield fault("not in the split", what, _PREDICT, strangers)
    if doubles := [name for name, times in number.items() if times > 1]:
        what = f"got more than one prediction of {counted(len(doubles), 'image')}"
        yield fault("duplicates", what, "keep one of each", doubles)
    yield from _of_content([entry for entry in entries if entry.image_id in images], images)


def _of_content(entries: Sequence[Entry], images: dict[str, Path]) -> Iterator[Finding]:
    remedies = {
        "colour": "write class indices, not colours",
        "damaged": "predict these images again",
        "size": "predict at full size, or enlarge the logits before the argmax",
        "index": f"write 0 to {len(CLASSES) - 1}; the server knows no 255",
    }
    wrong: dict[str, list[str]] = {kind: [] for kind in remedies}
    for entry in entries:
        kind, detail = _trouble(entry.content, image_size(images[entry.image_id]))
        if kind:
            wrong[kind].append(f"{entry.name}: {detail}")
    for kind, names in wrong.items():
        if names:
            yield fault(kind, f"got {counted(len(names), 'prediction')} that the server refuses", remedies[kind], names)


def _trouble(content: bytes, size: tuple[int, int]) -> tuple[str, str]:
    """What is wrong with a prediction, as a kind and a detail; empty if nothing is."""
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        return "damaged", str(error)
    if image.mode not in ("L", "P"):
        return "colour", f"got {image.mode}, expected 8 bits of palette or grey"
    if image.size != size:
        return "size", f"got {image.width} x {image.height}, expected {size[0]} x {size[1]}"
    highest = int(_pixels(image).max())
    return ("index", f"got {highest}") if highest >= len(CLASSES) else ("", "")


def _with_palette(content: bytes) -> bytes:
    image = Image.fromarray(_pixels(Image.open(io.BytesIO(content))))
    image.putpalette(PALETTE.tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _pixels(image: Image.Image) -> UInt8Array:
    return np.asarray(image)


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "pascal_voc.submission",
        "Check predictions of the VOC test set, or of val, as the evaluation server would, and pack them.",
        [
            "python -m pascal_voc.submission check outputs/fcn/test/predictions --root data",
            "python -m pascal_voc.submission pack outputs/fcn/test/predictions submission.tar.gz --root data",
            "python -m pascal_voc.submission pack outputs/fcn/val/predictions val.tar.gz --root data --split val",
        ],
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|pack")
    checking = actions.add_parser("check", help="list every fault of a folder or tar.gz", description="List faults.")
    checking.add_argument("path", type=Path, metavar="PATH", help="folder or tar.gz of <image id>.png")
    packing = actions.add_parser("pack", help="check a folder, then pack it", description="Check a folder, then pack.")
    packing.add_argument("path", type=Path, metavar="DIR", help="folder of <image id>.png")
    packing.add_argument("archive", type=Path, metavar="TAR.GZ", help="the file to write; replaced if it exists")
    packing.add_argument("--competition", choices=COMPETITIONS, default="comp6", help="default: comp6")
    for action in (checking, packing):
        action.add_argument("--split", choices=SPLITS, default="test", help="val is for the development kit (test)")
        action.add_argument("--root", type=Path, default=Path("data"), help="has VOCdevkit/ (default: data)")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Check or pack a submission; code 2 if it has a fault."""
    options = _parser().parse_args(argv)
    if options.action == "check":
        print(
            f"ok: {counted(check(options.path, options.root, split=options.split), 'prediction')}, one for each image"
        )
        return 0
    number = pack(options.path, options.archive, options.root, competition=options.competition, split=options.split)
    goal = "upload it to the evaluation server" if options.split == "test" else "unpack it into VOCdevkit/"
    print(f"ok: {counted(number, 'prediction')}, packed into {options.archive}; {goal}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
