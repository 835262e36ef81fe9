"""Images in a folder as samples."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engine.benchmark import Sample
from engine.errors import InputError
from engine.inference.output import NOTE

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path) -> list[Sample]:
    """All images in a folder and its subfolders, sorted, as samples without masks.

    Raises:
        InputError: if there is none.
    """
    endings = ", ".join(IMAGE_ENDINGS)
    if folder.is_file():
        raise InputError(f"{folder}: this is a file; give the folder that it is in")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with images ({endings})")
    results = {note.parent for note in folder.rglob(NOTE)} - {folder}  # of earlier runs, if `--output` is in there
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_ENDINGS and path.name[0] != "." and path.is_file()
        if results.isdisjoint(path.parents)
    )
    if not paths:
        raise InputError(f"{folder}: no image in it; expected files that end in {endings}")
    return [Sample(name, path, None) for name, path in _named(paths, folder).items()]


def _named(paths: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Images by their names in a folder: without the ending, where that does not give two of them the same."""
    whole: set[Path] = set()
    while True:
        names = {path: str((path if path in whole else path.with_suffix("")).relative_to(folder)) for path in paths}
        times = Counter(names.values())
        shared = {path for path, name in names.items() if times[name] > 1} - whole
        if not shared:
            return {name: path for path, name in names.items()}
        whole |= shared
