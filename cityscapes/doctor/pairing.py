"""Completeness of a data set: image, annotation and masks of every scene, and the number of scenes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cityscapes.doctor.inventory import ALL_SPLITS, ARCHIVES, KINDS, Inventory, SceneFiles
from cityscapes.layout import ANNOTATIONS, COARSE, GENERATED, IMAGES, SPLITS
from cityscapes.official_counts import EXTRA, IMAGES_OF, SPLIT_OF
from engine.findings import Finding, Severity, counted, fault, note

NUMBERS, NOT_GENERATED = "numbers", "not generated"
"""Kinds of findings: the number of images is not the official one; masks are not drawn yet."""

_ANNOTATED = tuple(kind for kind, (folder, _) in KINDS.items() if folder == ANNOTATIONS)
_COARSE = tuple(kind for kind, (folder, _) in KINDS.items() if folder == COARSE)
_GENERATED = tuple(kind for kind, (folder, _) in KINDS.items() if folder == GENERATED)


class _Role(NamedTuple):
    """Purpose of a kind of file."""

    noun: str
    absent: Severity
    """Severity if train or val has no such file at all; if only some are missing, it is always a fault."""
    without: str
    """Consequence of a missing file, as text."""


_ROLES = {
    "image": _Role("image", "fault", "such scenes can be used neither for training nor for prediction"),
    "polygons": _Role("polygons", "note", "generate_gt.py has nothing to draw masks from"),
    "labelIds": _Role("labelIds mask", "note", "the official scorer needs it"),
    "instanceIds": _Role("instanceIds mask", "note", "iIoU cannot be computed"),
}


def findings(found: Inventory) -> Iterator[Finding]:
    """Faults and notes about missing files."""
    if not any(_has(scene, "image", *_ANNOTATED) for scene in found.scenes):
        what = f"got no image in any split, expected {IMAGES}/<split>/<city>/<name>_{IMAGES}.png"
        yield fault("no images", what, f"unpack {ARCHIVES[IMAGES]}: training and prediction need it", [])
    undrawn = []
    for split in SPLITS:
        scenes = [scene for scene in found.scenes if scene.split == split]
        official = [scene for scene in scenes if _has(scene, "image", *_ANNOTATED)]
        if any(_has(scene, *_GENERATED) for scene in scenes):
            yield from _half_generated(split, official)
        elif split != "test":
            undrawn += [scene.stem for scene in official if _has(scene, "polygons")]
        yield from _unpaired(split, official)
        known = ("image", *_ANNOTATED, *_COARSE)
        yield from _left_over(split, [scene.stem for scene in scenes if not _has(scene, *known)])
    for split in ALL_SPLITS:
        yield from _coarse(split, [scene for scene in found.scenes if scene.split == split])
    if undrawn:
        what = f"got no {GENERATED}/ masks for {counted(len(undrawn), 'annotated scene')}"
        yield note(NOT_GENERATED, what, "run generate_gt.py before training", undrawn)


def mixed(found: Inventory) -> Iterator[Finding]:
    """Faults of scenes in two splits, and notes on cities that are in another split of the official set."""
    splits: dict[str, list[str]] = {}
    for scene in found.scenes:
        splits.setdefault(scene.stem, []).append(scene.split)
    twice = [f"{stem}: {' and '.join(of)}" for stem, of in splits.items() if len(of) > 1]
    if twice:
        what = f"got {counted(len(twice), 'scene')} in more than one split, so scores would include training images"
        yield fault("twice", what, "keep each in one split", twice)
    moved = sorted({f"{city} in {split}" for split, city, _ in found.counts if SPLIT_OF.get(city, split) != split})
    if moved:
        what = f"got {counted(len(moved), 'folder')} of a city that the official set has in another split"
        yield note("other split", what, "fine for your own split, but its scores are not comparable with others", moved)


def numbers(found: Inventory) -> Iterator[Finding]:
    """Comparison of each split with the official one: half an archive is a fault, a subset only a note."""
    for split, official in IMAGES_OF.items():
        got = _by_city(found, split, "image")
        yield from _half_unpacked(split, "image", got)
        yield from _half_unpacked(split, "polygons", _by_city(found, split, "polygons"))
        differing = [city for city in {*official, *got} if got[city] != official.get(city, 0)]
        if differing:
            differing.sort(key=lambda city: (got[city] == 0, city))
            lines = [f"{city} {got[city]} of {official.get(city, 0)}" for city in differing]
            what = f"{split}: got {counted(got.total(), 'image')}, the official set has {sum(official.values())}"
            remedy = "fine for a subset or a synthetic set, but its scores are not comparable with published ones"
            yield note(NUMBERS, what, remedy, lines)


def _by_city(found: Inventory, split: str, kind: str) -> Counter[str]:
    """The number of files of a kind in each city."""
    got: Counter[str] = Counter()
    for (part, city, of_kind), number in found.counts.items():
        if (part, of_kind) == (split, kind):
            got[city] += number
    return got


def _half_unpacked(split: str, kind: str, got: Counter[str]) -> Iterator[Finding]:
    """A fault if unpacking seems to have stopped: complete cities, one incomplete, then none."""
    official = IMAGES_OF[split]
    cities = sorted(official)
    whole = [city for city in cities if got[city] == official[city]]
    part = [city for city in cities if 0 < got[city] < official[city]]
    if whole and len(part) == 1 and cities[: len(whole) + 1] == [*whole, *part]:
        (city,) = part
        archive = ARCHIVES[KINDS[kind][0]]
        what = (
            f"{split}: got {got[city]} of {official[city]} {kind} files of {city}, all of the cities before it "
            "and none of those after it, as if unpacking had stopped there"
        )
        yield fault("half unpacked", what, f"unpack {archive} again, and check the free disk space", [], count=1)


def _coarse(split: str, scenes: Sequence[SceneFiles]) -> Iterator[Finding]:
    """Findings about scenes with a coarse annotation, and about images of train_extra without one."""
    coarse = [scene for scene in scenes if _has(scene, *_COARSE)]
    undrawn = [scene.stem for scene in coarse if not _has(scene, "coarse polygons")]
    if undrawn:
        what = f"{split}: got no coarse polygons for {len(undrawn)} of {counted(len(coarse), 'scene')}"
        yield fault("unpaired", what, f"unpack {ARCHIVES[COARSE]} again", undrawn)
    images = "leftImg8bit_trainextra.zip" if split == EXTRA else ARCHIVES[IMAGES]
    unseen = [scene.stem for scene in coarse if not _has(scene, "image")]
    if unseen:
        what = f"{split}: got no image for {len(unseen)} of {counted(len(coarse), 'coarsely annotated scene')}"
        yield (note if len(unseen) == len(coarse) else fault)("unpaired", what, f"unpack {images}", unseen)
    bare = [scene.stem for scene in scenes if split == EXTRA and not _has(scene, *_COARSE)]
    if bare:
        what = f"{split}: got no coarse annotation for {len(bare)} of {counted(len(scenes), 'scene')}"
        yield fault("unpaired", what, f"unpack {ARCHIVES[COARSE]}", bare)


def _has(scene: SceneFiles, *kinds: str) -> bool:
    return any(kind in scene.files for kind in kinds)


def _unpaired(split: str, scenes: Sequence[SceneFiles]) -> Iterator[Finding]:
    """Findings about official files that only some scenes have, or none; in test, missing dummies are harmless."""
    if split != "test" and scenes and not any(_has(scene, *_ANNOTATED, *_GENERATED) for scene in scenes):
        what = f"{split}: got {counted(len(scenes), 'image')} without any annotation"
        yield fault("unpaired", what, f"unpack {ARCHIVES[ANNOTATIONS]} as well", [scene.stem for scene in scenes])
        return
    for kind, role in _ROLES.items():
        lacking = [scene.stem for scene in scenes if not _has(scene, kind)]
        none = len(lacking) == len(scenes)
        if not lacking or (split == "test" and none and kind != "image"):
            continue
        harmless = (split == "test" and (none or kind != "image")) or (none and role.absent == "note")
        what = f"{split}: got no {role.noun} for {len(lacking)} of {counted(len(scenes), 'scene')}: {role.without}"
        remedy = f"unpack {ARCHIVES[KINDS[kind][0]]} again, or delete the other files of these scenes"
        yield (note if harmless else fault)("unpaired", what, remedy, lacking)


def _half_generated(split: str, scenes: Sequence[SceneFiles]) -> Iterator[Finding]:
    for kind in _GENERATED:
        lacking = [scene.stem for scene in scenes if _has(scene, "polygons") and not _has(scene, kind)]
        if lacking and any(_has(scene, kind) for scene in scenes):
            what = f"{split}: got no generated {kind} mask for {counted(len(lacking), 'annotated scene')}"
            yield (note if split == "test" else fault)("half generated", what, "run generate_gt.py again", lacking)


def _left_over(split: str, stems: Sequence[str]) -> Iterator[Finding]:
    if stems:
        what = f"{split}: got {GENERATED}/ masks of {counted(len(stems), 'scene')} with neither image nor annotation"
        remedy = f"delete them, or unpack {ARCHIVES[IMAGES]} and {ARCHIVES[ANNOTATIONS]} again"
        yield fault("left over", what, remedy, stems)
