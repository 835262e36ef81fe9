"""Input images: the files of a folder as samples."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engine.benchmark import Sample
from engine.errors import InputError, printable
from engine.files.folders import find
from engine.inference.output import NOTE, RESULTS, origin_of

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path) -> list[Sample]:
    """All images in a folder and its subfolders, sorted, as samples without masks.

    Results of earlier runs and hidden files are skipped; everything else that is left out is reported on stderr.

    Raises:
        InputError: if there is no image, or a folder cannot be listed.
    """
    endings = ", ".join(IMAGE_ENDINGS)
    if not folder.is_dir():
        kind = "this is a file; give the folder that it is in" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {kind}; expected one with images ({endings})")
    results = {note.parent for note in find(folder, NOTE) if origin_of(note.parent / RESULTS[0])}
    if folder in results:  # the results are among the images
        results = results - {folder} | {folder / name for name in RESULTS}
    files, linked = [], []
    for path in find(folder, "*"):
        if results.isdisjoint((path, *path.parents)):
            if not path.is_dir():
                files.append(path)
            elif path.is_symlink():
                linked.append(path)
    images = [path for path in files if path.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        raise InputError(f"{folder}: no image in it; expected files that end in {endings}")
    if others := Counter(path.suffix.lower() or path.name for path in sorted(set(files) - set(images))):
        listed = ", ".join(f"{number} {ending}" for ending, number in others.most_common(8))
        _note(f"{folder}: left out, because they are not images: {listed}{', ...' if len(others) > 8 else ''}")
    for path in linked:
        _note(f"{path}: links to folders are not followed; give this folder as --images in another run")
    return [Sample(name, path, None) for name, path in _named(images, folder).items()]


def _note(message: str) -> None:
    print(printable(f"note: {message}"), file=sys.stderr)


def _named(paths: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Image files by their names in a folder: without the ending, unless two images would get the same name."""
    whole: set[Path] = set()
    while True:
        names = {path: str((path if path in whole else path.with_suffix("")).relative_to(folder)) for path in paths}
        times = Counter(names.values())
        shared = {path for path, name in names.items() if times[name] > 1} - whole
        if not shared:
            return {name: path for path, name in names.items()}
        whole |= shared
