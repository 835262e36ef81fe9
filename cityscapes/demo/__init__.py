"""A small synthetic Cityscapes: `python -m cityscapes.demo --root data/demo`.

It has the folders, file names, formats and special cases of the real data set, so that every command runs without
a download. It is made for trying and testing, not for research: scores on it say nothing about real streets.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cityscapes.demo.street import draw_street
from cityscapes.ground_truth import polygons
from cityscapes.layout import ANNOTATIONS, IMAGES, SPLITS, Scene
from engine.arrays import Size
from engine.cli.command import command
from engine.cli.invocation import spelled
from engine.cli.options import size, tool_parser
from engine.cli.parser import add_workers, whole, within
from engine.errors import InputError
from engine.files.atomic import require_writable, write_json
from engine.files.images import write_png
from engine.files.lock import exclusive
from engine.parallel import parallel_map
from engine.ranges import Range

MARKER = "demo.json"
"""Name of the file in the root that marks the set as synthetic and contains its options."""

_CITIES = {"train": ("aachen", "bremen"), "val": ("frankfurt", "lindau"), "test": ("berlin", "munich")}
_SMALLEST, _LARGEST = Size(32, 64), Size(2048, 4096)


@dataclass(frozen=True)
class DemoOptions:
    """Options of the synthetic set; the same options give the same pixels on every machine."""

    width: int = 256
    """Width of every image in pixels."""
    height: int = 128
    """Height of every image in pixels."""
    train: int = 48
    """Number of scenes in the train split."""
    val: int = 12
    """Number of scenes in the val split."""
    test: int = 6
    """Number of scenes in the test split."""
    seed: int = 0
    """Seed of the random numbers."""


class _SceneTask(NamedTuple):
    """One scene to draw."""

    root: Path
    options: DemoOptions
    scene: Scene
    number: int
    """Index of the scene in its split."""


def draw_dataset(root: Path, options: DemoOptions | None = None, *, workers: int = 1) -> None:
    """Draw the images, polygons and, except for the test split, official masks of a data set below `root`.

    Raises:
        InputError: for options out of range, or if `root` contains another data set than this one.
    """
    options = options or DemoOptions()
    _check(options)
    _require_own_folder(root, options)
    require_writable(root)
    with exclusive(root, "choose another --root"):
        _require_own_folder(root, options)  # another demo may have been drawn meanwhile
        write_json(root / MARKER, asdict(options))
        _draw_scenes(root, options, workers)


def _draw_scenes(root: Path, options: DemoOptions, workers: int) -> None:
    tasks = [_SceneTask(root, options, scene, index) for scene, index in _scenes(options)]
    for _, result in parallel_map(_draw_scene, tasks, workers=workers, title="draw"):
        if isinstance(result, InputError):
            raise result


def _check(options: DemoOptions) -> None:
    drawn = Size(options.height, options.width)
    if not (drawn.holds(_SMALLEST) and _LARGEST.holds(drawn)):
        raise InputError(f"--size {drawn}: expected height x width, from {_SMALLEST} to {_LARGEST}")
    for name in (*SPLITS, "seed"):
        if getattr(options, name) < 0:
            raise InputError(f"--{name}: expected 0 or more, got {getattr(options, name)}")


def _require_own_folder(root: Path, options: DemoOptions) -> None:
    """Refuse a folder that contains another data set than this one."""
    marker = root / MARKER
    if marker.exists():
        there, asked = _read_marker(marker), asdict(options)
        if there != asked:
            have, want = (" ".join(f"{name}={value}" for name, value in some.items()) for some in (there, asked))
            raise InputError(
                f"{root}: contains a demo with {have}, asked for {want}; choose another --root, or remove it first"
            )
    else:
        for folder in (IMAGES, ANNOTATIONS):
            if (root / folder).exists():
                raise InputError(
                    f"{root}: has a {folder}/ that was not drawn by this command (no {MARKER}); choose another --root"
                )


def _read_marker(marker: Path) -> dict[str, Any]:
    """The options that a demo was drawn with."""
    try:
        options = json.loads(marker.read_bytes())
    except ValueError as error:
        raise InputError(f"{marker}: broken JSON ({error}); remove the folder and draw the demo again") from error
    if not isinstance(options, dict):
        raise InputError(f"{marker}: expected the options of a demo, got {options!r}; choose another --root")
    return options


def _scenes(options: DemoOptions) -> Iterator[tuple[Scene, int]]:
    """Every scene with its index in the split; the cities of a split take turns."""
    for split in SPLITS:
        cities = _CITIES[split]
        for index in range(getattr(options, split)):
            city = cities[index % len(cities)]
            yield Scene(split, city, f"{city}_{index // len(cities):06d}_000019"), index


def _draw_scene(task: _SceneTask) -> None:
    """Draw and write the files of one scene."""
    root, options, scene, number = task
    rng = np.random.default_rng([options.seed, SPLITS.index(scene.split), number])
    street = draw_street(rng, options.width, options.height)
    hidden = scene.split == "test"  # the benchmark keeps these annotations secret
    objects = street.dummy_objects if hidden else street.objects
    path = scene.polygons(root)
    write_json(path, {"imgHeight": options.height, "imgWidth": options.width, "objects": objects})
    if not hidden:
        masks = polygons.draw(polygons.read(path))
        write_png(scene.official_mask(root, "labelIds"), masks.label_ids)
        write_png(scene.official_mask(root, "instanceIds"), masks.instance_ids)
    write_png(scene.image(root), street.picture)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Draw the data set and print the next command."""
    usual = DemoOptions()
    parser = tool_parser(
        "cityscapes.demo",
        "Draw a small synthetic data set in the layout of Cityscapes, to try everything without a download.",
        ["python -m cityscapes.demo --root data/demo", "python -m cityscapes.demo --root data/large --size 1024x2048"],
    )
    parser.add_argument("--root", type=Path, default=Path("data/demo"), help="folder to draw in (default: %(default)s)")
    side = f"{usual.height}x{usual.width}"
    parser.add_argument("--size", default=side, help="image size, height x width (default: %(default)s)")
    scenes = partial(within, Range(0, 100_000))
    for split in SPLITS:
        parser.add_argument(
            f"--{split}",
            type=scenes,
            default=getattr(usual, split),
            help=f"number of {split} scenes (default: %(default)s)",
        )
    parser.add_argument("--seed", type=whole, default=usual.seed, help="random seed (default: %(default)s)")
    add_workers(parser)
    args = parser.parse_args(argv)

    height, width = size(args.size, "--size")
    options = DemoOptions(width, height, args.train, args.val, args.test, args.seed)
    draw_dataset(args.root, options, workers=args.workers)
    counts = f"{args.train} train, {args.val} val and {args.test} test scenes"
    print(f"{args.root}: {counts}, {width} pixels wide and {height} high")
    print(spelled(f"next: python generate_gt.py --root {args.root}"))
    return 0
