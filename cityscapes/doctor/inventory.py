"""Inventory of a data folder: lists its files, and finds folders and files in the wrong place."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import ANNOTATIONS, COARSE, GENERATED, IMAGES, SPLITS, require_root
from cityscapes.official_counts import EXTRA
from engine.errors import ErrorCollector, InputError
from engine.files.folders import find
from engine.findings import Finding, counted, fault

ALL_SPLITS = (*SPLITS, EXTRA)
"""All splits, in the order of reports."""

KINDS = {
    "image": (IMAGES, f"_{IMAGES}.png"),
    "polygons": (ANNOTATIONS, f"_{ANNOTATIONS}_polygons.json"),
    "labelIds": (ANNOTATIONS, f"_{ANNOTATIONS}_labelIds.png"),
    "instanceIds": (ANNOTATIONS, f"_{ANNOTATIONS}_instanceIds.png"),
    "coarse polygons": (COARSE, f"_{COARSE}_polygons.json"),
    "coarse labelIds": (COARSE, f"_{COARSE}_labelIds.png"),
    "coarse instanceIds": (COARSE, f"_{COARSE}_instanceIds.png"),
    "labelId": (GENERATED, "_labelId.png"),
    "trainId": (GENERATED, "_trainId.png"),
    "instanceId": (GENERATED, "_instanceId.png"),
    "color": (GENERATED, "_color.png"),
}
"""Kind of file -> its folder below the root, and the part of its name after the stem."""

ARCHIVES = {
    IMAGES: "leftImg8bit_trainvaltest.zip",
    ANNOTATIONS: "gtFine_trainvaltest.zip",
    COARSE: "gtCoarse.zip",
}
"""Folder -> official zip that contains it."""


class SceneFiles(NamedTuple):
    """Paths of the files of one scene."""

    split: str
    stem: str
    files: Mapping[str, Path]
    """Kind of file -> path, for the files that exist."""


class Inventory(NamedTuple):
    """All files of a data folder."""

    scenes: list[SceneFiles]
    """Scenes sorted by split, in the order of ALL_SPLITS, then stem."""
    counts: Mapping[tuple[str, str, str], int]
    """(split, city folder, kind) -> number of files."""
    wrong_city: list[str]
    """Paths of the files whose names do not start with the city of their folder."""


def take(root: Path) -> Inventory:
    """List the files of a data folder.

    Raises:
        InputError: for every folder that cannot be listed.
    """
    _require_readable(root)
    scenes = []
    counts: Counter[tuple[str, str, str]] = Counter()
    wrong_city = []
    for split in ALL_SPLITS:
        found: dict[str, dict[str, Path]] = {}
        for kind in KINDS:
            for stem, path in _files(root, split, kind):
                city = path.parent.name
                counts[split, city, kind] += 1
                if city != stem.split("_", maxsplit=1)[0]:
                    wrong_city.append(path.relative_to(root).as_posix())
                found.setdefault(stem, {})[kind] = path
        scenes += [SceneFiles(split, stem, found[stem]) for stem in sorted(found)]
    return Inventory(scenes, counts, wrong_city)


def misplaced(root: Path) -> Iterator[Finding]:
    """Faults of folders: those nested in one of the same name, and empty split and city folders.

    Raises:
        InputError: if there is no data set in the folder, nested or not, or for every folder that cannot be listed.
    """
    _require_readable(root)
    nested = [
        outer / folder for folder in ARCHIVES for outer in _entries(root, f"{folder}*") if (outer / folder).is_dir()
    ]  # fmt: skip
    for path in nested:
        what = f"got {path.relative_to(root)}/, expected {path.name}/ directly in {root}"
        yield fault("nesting", what, f"move its split folders to {root / path.name}/", [], count=1)
    if not nested:
        _require_set(root)
    yield from _empty(root)


def _files(root: Path, split: str, kind: str) -> Iterator[tuple[str, Path]]:
    """The stem and path of each file of a kind; files in the right city folder come last, so that they are kept."""
    folder, suffix = KINDS[kind]
    paths = find(root / folder / split, f"*{suffix}", levels=1)
    for path in sorted(paths, key=lambda path: (path.name.startswith(f"{path.parent.name}_"), path)):
        yield path.name.removesuffix(suffix), path


def _require_readable(root: Path) -> None:
    """Check that all folders can be listed; files in other folders would be missing from the diagnosis."""
    faults = ErrorCollector()
    with faults.collect():
        _entries(root)
    for folder in dict.fromkeys(folder for folder, _ in KINDS.values()):
        with faults.collect():
            find(root / folder, "*", levels=2)
    faults.raise_if_any()


def _entries(folder: Path, pattern: str = "*") -> list[Path]:
    return find(folder, pattern, levels=0)


def _require_set(root: Path) -> None:
    """Check that the folder has images or annotations; if not, the error says where they are."""
    if root.is_dir() and not any((root / folder).is_dir() for folder in ARCHIVES):
        if root.name in ARCHIVES or any((root / split).is_dir() for split in ALL_SPLITS):
            raise InputError(f"{root}: this is only a part of a data set; give the folder above it, {root.parent}")
        inner = [path for path in _entries(root) for folder in ARCHIVES if (path / folder).is_dir()]
        if inner:
            raise InputError(f"{root}: no {' or '.join(ARCHIVES)} in it, but in {inner[0]}; give --root {inner[0]}")
    require_root(root)


def _empty(root: Path) -> Iterator[Finding]:
    """Faults of half-unpacked archives: empty folders, and files outside the city folders."""
    for folder, archive in ARCHIVES.items():
        splits = [root / folder / split for split in ALL_SPLITS if (root / folder / split).is_dir()]
        entries = {split: _entries(split) for split in splits}
        cities = [entry for found in entries.values() for entry in found if entry.is_dir()]
        loose = [entry for found in entries.values() for entry in found if entry.name.endswith((".png", ".json"))]
        remedy = f"unpack {archive} again"
        for kind, expected, paths in (
            ("empty split", "one folder for each city", [split for split in splits if not entries[split]]),
            ("empty city", "files", [city for city in cities if not _entries(city)]),
        ):
            if paths:
                names = [path.relative_to(root).as_posix() for path in paths]
                yield fault(
                    kind, f"got {counted(len(paths), 'empty folder')}, expected {expected} in it", remedy, names
                )
        if loose:
            what = f"got {counted(len(loose), 'file')} directly in a split folder, expected them in folders by city"
            names = [path.relative_to(root).as_posix() for path in sorted(loose)]
            yield fault("no city folder", what, f"move them, or {remedy}", names)
