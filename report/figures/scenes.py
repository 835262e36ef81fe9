"""Qualitative grid: scenes in rows, and in columns the image, the ground truth and the predictions of two methods."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.image_counts import ImageCounts, mean_score
from engine.inference.figures import train_ids
from engine.parallel import parallel_map
from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.names import file_names
from report.pictures.encode import Scene, rate, read
from report.pictures.groups import Group

_MOST_METHODS = 2
_WORST = 3
"""Number of scenes if none is chosen."""
_SIDE = 1024
"""Longest side of a picture in pixels; larger ones are reduced."""
_VOID = (224, 224, 192)
"""Colour of pixels of no class, for benchmarks in which black is the colour of a class."""


class Row(NamedTuple):
    """Pictures of a scene, all of one size."""

    name: str
    image: UInt8Array
    """(H, W, 3) RGB."""
    masks: tuple[UInt8Array | None, ...]
    """(H, W) train ids: the ground truth if there is one, then a prediction of each method, None if it is missing."""
    scores: tuple[float | None, ...]
    """Mean IoU of each method in this image, from 0 to 1."""


def title(group: Group) -> str:
    """Name of a group in file names and texts."""
    return f"{group.benchmark.name} {group.split}"


def stems(groups: Sequence[Group]) -> list[str]:
    """Part of a file name of each group; groups of one title, whose images are in different folders, are numbered."""
    titles = [title(group) for group in groups]
    unique = [name if titles[:number].count(name) == 0 else f"{name} {number}" for number, name in enumerate(titles)]
    parts = file_names(unique)
    return [parts[name] for name in unique]


def named(groups: Sequence[Group], wanted: Sequence[str]) -> list[list[Scene]]:
    """The scenes of each group that have these names, with or without their folders.

    Raises:
        InputError: with every name that no image has, or several in a group.
    """
    found = [[_matching(group, name) for name in wanted] for group in groups]
    faults = []
    for number, name in enumerate(wanted):
        matches = max((len(of_group[number]) for of_group in found), default=0)
        example = f"; give names such as {groups[0].scenes[0].sample.name}" if groups else ""
        if matches != 1:
            what = "several images of one split have this name" if matches else "no image with a prediction has it"
            faults.append(f"--scenes {name}: {what}{example}")
    if faults:
        raise InputError(*faults)
    return [[scene for scenes in of_group for scene in scenes] for of_group in found]


def write(groups: Sequence[Group], chosen: Sequence[Sequence[Scene]], folder: FigureFolder, workers: int) -> None:
    """Write a grid of each group, as PNG of 300 dpi and as PDF.

    Args:
        groups: results of the same samples.
        chosen: scenes of each group to show; if all are empty, the three worst of the best result of each group.
        folder: for the grids.
        workers: number of processes that rate scenes whose counts are unknown.
    """
    for group, scenes, name in zip(groups, chosen, stems(groups), strict=True):
        what = f"Grid of scenes of {title(group)}"
        methods = ranked(group)[:_MOST_METHODS]
        shown = list(scenes) if any(chosen) else worst(group, methods[0], workers)
        if not shown:
            folder.leave_out(what, "no scene of it was chosen" if any(chosen) else "there is no ground truth")
            continue
        try:
            rows = [_row(group, scene, methods) for scene in shown]
        except InputError as error:
            folder.leave_out(what, error.messages[0])
            continue
        stem = f"scenes-{name}"
        with style.applied():
            _save(of_rows(group, rows, methods), stem, folder)
        which = "" if any(chosen) else f", the worst of {group.members[methods[0]].result.key}"
        columns = ", ".join(_columns(group, rows, methods))
        folder.add((f"{stem}.png", f"{stem}.pdf"), f"Scenes of {title(group)}{which}: {columns}.")


def ranked(group: Group) -> list[int]:
    """Positions of the results of a group, the best first."""

    def average(position: int) -> float:
        scores = group.members[position].result.scores
        found = next(iter(scores.averages.values()), None) if scores else None
        return -1.0 if found is None else found

    return sorted(range(len(group.members)), key=average, reverse=True)


def worst(group: Group, method: int, workers: int) -> list[Scene]:
    """The scenes in which a result has the lowest mean IoU, the worst first; none without ground truth."""
    scenes = [scene for scene in group.scenes if scene.predictions[method] is not None]
    counts = [group.counts_of(method, scene.sample) for scene in scenes]
    unknown = [number for number, found in enumerate(counts) if found is None]
    if unknown and scenes[unknown[0]].sample.mask is not None:
        work = partial(rate)
        outcomes = parallel_map(work, [scenes[number] for number in unknown], workers=workers, title="rating scenes")
        for number, (_, rated) in zip(unknown, outcomes, strict=True):
            counts[number] = None if isinstance(rated, InputError) else rated[method]
    means = [math.nan if found is None else mean_score(found) for found in counts]
    order = sorted((number for number, mean in enumerate(means) if not math.isnan(mean)), key=means.__getitem__)
    return [scenes[number] for number in order[:_WORST]]


def palette_of(benchmark: Benchmark) -> UInt8Array:
    """(256, 3) RGB of each train id."""
    palette = benchmark.classes.colorize(np.arange(256, dtype=np.uint8))
    if (0, 0, 0) in benchmark.classes.colors:  # black is also the default colour of pixels without a class
        palette[len(benchmark.classes) :] = _VOID
    return palette


def ids_of(benchmark: Benchmark, prediction: UInt8Array) -> UInt8Array:
    """(H, W) train ids of a prediction as `pictures.encode` reads it: ids, or confidences."""
    return prediction if benchmark.confidence_class is None else train_ids(benchmark, prediction)


def of_rows(group: Group, rows: Sequence[Row], methods: Sequence[int]) -> Figure:
    """The grid, with a legend of the classes that occur in it."""
    columns = _columns(group, rows, methods)
    side = style.PAGE / len(columns)
    heights = [side * row.image.shape[0] / row.image.shape[1] for row in rows]
    present = sorted({int(one) for row in rows for mask in row.masks if mask is not None for one in np.unique(mask)})
    entries = _legend(group.benchmark, present)
    figure = style.figure(style.PAGE, sum(heights) + 0.18 * len(rows) + 0.3 + 0.17 * -(-len(entries) // 5))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr,call-arg]
    palette = palette_of(group.benchmark)
    panels = figure.subplots(len(rows), len(columns), squeeze=False, gridspec_kw={"height_ratios": heights})
    for number, row in enumerate(rows):
        first = len(row.masks) - len(methods)  # of the predictions
        pictures = [row.image, *(None if mask is None else palette[mask] for mask in row.masks)]
        below = [style.label(PurePath(row.name).name, 24), *[""] * first, *map(_score, row.scores)]
        for axes, picture, text in zip(panels[number], pictures, below, strict=True):
            if picture is not None:
                axes.imshow(picture, interpolation="none")
            axes.set(xticks=[], yticks=[], xlabel=text)
            axes.spines[:].set_visible(False)
            axes.grid(visible=False)
    for axes, column in zip(panels[0], columns, strict=True):
        axes.set_title(style.label(column, 26), pad=3)
    figure.legend(handles=entries, loc="outside lower center", ncols=5, handlelength=1.2, columnspacing=1.2)
    return figure


def _matching(group: Group, name: str) -> list[Scene]:
    return [scene for scene in group.scenes if name in (scene.sample.name, PurePath(scene.sample.name).name)]


def _row(group: Group, scene: Scene, methods: Sequence[int]) -> Row:
    """The pictures of a scene, reduced.

    Raises:
        InputError: if the image cannot be read.
    """
    layers = read(scene)
    step = -(-max(layers.image.shape[:2]) // _SIDE)
    truth = () if scene.sample.mask is None else (layers.truth,)
    found = [layers.predictions[method] for method in methods]
    predictions = [None if one is None else ids_of(group.benchmark, one) for one in found]
    counts = [group.counts_of(method, scene.sample) for method in methods]
    if scene.sample.mask is not None and any(one is None for one in counts):
        rated = rate(scene)
        counts = [rated[method] if one is None else one for method, one in zip(methods, counts, strict=True)]
    masks = tuple(None if mask is None else mask[::step, ::step] for mask in (*truth, *predictions))
    return Row(scene.sample.name, layers.image[::step, ::step], masks, tuple(map(_mean, counts)))


def _mean(counts: ImageCounts | None) -> float | None:
    mean = math.nan if counts is None else mean_score(counts)
    return None if math.isnan(mean) else mean


def _score(score: float | None) -> str:
    return "" if score is None else f"mean IoU {100 * score:.1f} %"


def _columns(group: Group, rows: Sequence[Row], methods: Sequence[int]) -> list[str]:
    """Headings of the columns."""
    truth = ["ground truth"] if len(rows[0].masks) > len(methods) else []
    runs = [group.members[method].run for method in methods]
    keys = [group.members[method].result.key for method in methods]
    return ["image", *truth, *(runs if len(set(runs)) == len(runs) else keys)]


def _legend(benchmark: Benchmark, present: Sequence[int]) -> list[Patch]:
    """Entries of the classes that occur, and one for pixels of no class."""
    palette = palette_of(benchmark)
    names = {number: name for number, name in enumerate(benchmark.classes.names) if number in present}
    if others := [number for number in present if number >= len(benchmark.classes)]:
        names[others[0]] = "no class, not scored"
    return [
        Patch(facecolor=palette[number] / 255, edgecolor="0.4", label=style.label(name, 22))
        for number, name in names.items()
    ]


def _save(figure: Figure, stem: str, folder: FigureFolder) -> None:
    for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        with replacing(folder.folder / f"{stem}.{suffix}") as file:
            figure.savefig(file, format=suffix, dpi=300, metadata=metadata)
