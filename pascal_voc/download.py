"""Download of VOC2012, VOC2011 and SBD from the pages of their authors; the test images require registration."""

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.files import download
from engine.files.atomic import require_writable


class Part(NamedTuple):
    """An archive on the internet."""

    url: str
    """Address of the archive."""
    md5: str
    """Expected MD5 of the archive, as hex digits."""


_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"
_SBD = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours"

PARTS = {
    "voc2012": Part(f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd"),
    "voc2011": Part(f"{_VOC}/voc2011/VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e"),
    "sbd": Part(f"{_SBD}/benchmark.tgz", "82b4d87ceb2ed10f6038a1cba92111cb"),
}

_WANTED = {"JPEGImages", "SegmentationClass", "Segmentation"}
_OFFLINE = (
    f"fetch {', '.join(part.url for part in PARTS.values())} on a machine with internet access, and give the files: "
    "python -m pascal_voc.download --archives FILE ..."
)


def destination(name: str) -> str | None:
    """Path within the root for a file of an archive; None if segmentation does not need the file."""
    parts = PurePosixPath(name).parts
    if ".." in parts:
        return None
    for top in ("VOCdevkit", "benchmark_RELEASE"):
        if top in parts:
            below = parts[parts.index(top) :]
            needed = top == "benchmark_RELEASE" or below[-2] in _WANTED
            return "/".join(below) if needed else None
    return None


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Download and unpack archives, or unpack archives that were downloaded elsewhere."""
    parser = tool_parser(
        "pascal_voc.download",
        "Download Pascal VOC for segmentation, and SBD. The evaluation server (host.robots.ox.ac.uk:8080) gives the "
        "test images after registration; unpack them with --archives.",
        [
            "python -m pascal_voc.download --root data",
            "python -m pascal_voc.download --root data --parts voc2012 voc2011 sbd",
            "python -m pascal_voc.download --root data --archives VOC2012test.tar",
        ],
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), metavar="DIR", help="folder to unpack to (default: data)"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=["voc2012"], help="archives to download (default: voc2012)"
    )
    parser.add_argument(
        "--archives", nargs="+", type=Path, metavar="FILE", help="unpack these files instead of downloading"
    )
    options = parser.parse_args(argv)
    root: Path = options.root
    require_writable(root)
    for archive in options.archives or []:
        print(f"{archive}: {download.unpack(archive, root, destination, remedy=_OFFLINE)} files unpacked to {root}")
    for name in [] if options.archives else options.parts:
        with tempfile.TemporaryDirectory(dir=root, prefix=".voc.", suffix=".part") as scratch:
            archive = Path(scratch) / Path(PARTS[name].url).name
            download.fetch(PARTS[name].url, archive, remedy=_OFFLINE)
            download.require_md5(archive, PARTS[name].md5)
            print(f"{name}: {download.unpack(archive, root, destination, remedy=_OFFLINE)} files unpacked to {root}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
