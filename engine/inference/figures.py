"""Figures of predictions: image, ground truth and prediction next to each other, legends, and animated GIFs."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.confusion import ClassScores, occurring
from engine.errors import InputError
from engine.files.folders import find
from engine.files.images import read_ids, read_image, write_png
from engine.inference import page
from engine.inference.output import Overlays, Predictions
from engine.inference.page import Color, Entries
from engine.parallel import prefetch, raise_errors

_VOID = (224, 224, 192)
"""Colour of pixels without a class, for benchmarks in which black is the colour of a class."""


class Scene(NamedTuple):
    """A sample to draw, with its IoU."""

    sample: Sample
    iou: float | None
    """Mean IoU over the classes of this image, 0 to 1; None without a ground truth or a labelled pixel."""
    classes: int
    """Number of classes in that mean."""


def show(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    predictions: Predictions,
    folder: Path,
    *,
    wanted: str,
    animated: int,
    workers: int,
) -> Iterator[str]:
    """Draw figures, legends and animations, and yield a line to print about each.

    Args:
        benchmark: benchmark of the predictions.
        samples: all samples that were predicted.
        predictions: their predictions; overlays get a legend.
        folder: folder for the pictures.
        wanted: names for `named`, or a number for `worst`, to draw into `figures/`; empty or 0 for none.
        animated: number of samples, from the first on, to show in `predictions.gif`; 0 for none.
        workers: threads that read predictions.
    """
    if predictions.overlays:
        write_png(predictions.overlays.folder / "legend.png", page.legend(legend_of(benchmark)))
    if wanted.strip("0"):
        candidates = samples if wanted.isdecimal() else named(samples, wanted)
        scenes, order = rated(benchmark, candidates, predictions, workers), ""
        if wanted.isdecimal():
            scenes = worst(scenes, int(wanted))
            order = ", the worst first" if scenes and scenes[0].iou is not None else ""
        draw(benchmark, scenes, predictions, folder / "figures")
        number = "1 scene" if len(scenes) == 1 else f"{len(scenes)} scenes"
        yield f"{folder / 'figures'}: {number}{order}"
    if animated:
        path = folder / "predictions.gif"
        animate(benchmark, samples[:animated], predictions, path)
        yield f"{path}: the first {min(animated, len(samples))} images with their predictions"


def named(samples: Sequence[Sample], wanted: str) -> list[Sample]:
    """Find samples by their names, with or without folder, separated by commas.

    Raises:
        InputError: with every name that matches no sample or several.
    """
    found, faults = [], []
    for name in dict.fromkeys(part.strip() for part in wanted.split(",")):
        matching = [sample for sample in samples if name in (sample.name, Path(sample.name).name)]
        if len(matching) == 1:
            found += matching
        else:
            what = f"{len(matching)} images have this name" if matching else "no image has this name"
            faults.append(f"--figures {name}: {what}; give names such as {samples[0].name}, or a number of scenes")
    if faults:
        raise InputError(*faults)
    return found


def rated(benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, workers: int) -> list[Scene]:
    """Compute the IoU of each sample, in the given order.

    Raises:
        InputError: if a prediction or a ground truth cannot be read.
    """

    def rate(sample: Sample) -> Scene:
        if sample.mask is None:
            return Scene(sample, None, 0)
        truth = benchmark.read_mask(sample.mask)
        scores = _scores(benchmark, truth, train_ids(benchmark, _ids(predictions.path(sample))))
        values = occurring(scores.iou)
        return Scene(sample, float(values.mean()) if values.size else None, values.size)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return [scene for _, scene in raise_errors(prefetch(pool, rate, samples, depth=2 * max(1, workers)))]


def worst(scenes: Sequence[Scene], number: int) -> list[Scene]:
    """The given number of scenes with the lowest IoU, the worst first; scenes without an IoU come last."""
    return sorted(scenes, key=lambda scene: 2.0 if scene.iou is None else scene.iou)[:number]


def draw(benchmark: Benchmark, scenes: Sequence[Scene], predictions: Predictions, folder: Path) -> None:
    """Draw each scene into a PNG whose name begins with its rank, and remove earlier figures."""
    for path in find(folder, "*.png"):
        path.unlink()
    for rank, scene in enumerate(scenes, 1):
        name = f"{rank:0{len(str(len(scenes)))}}_{Path(scene.sample.name).name}.png"
        write_png(folder / name, _figure(benchmark, scene, predictions))


def animate(benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, path: Path) -> None:
    """Write an animated GIF of the images with their predictions in colour over them."""
    overlays = Overlays(path.parent, benchmark.prediction_colors)
    pictures, present = [], np.zeros(256, np.bool_)
    for sample in samples:
        pixels = _ids(predictions.path(sample))
        present[pixels] = True
        pictures.append((Path(sample.name).name, overlays.blend(read_image(sample.image), pixels)))
    page.animation(path, pictures, legend_of(benchmark, present))


def train_ids(benchmark: Benchmark, pixels: UInt8Array) -> UInt8Array:
    """(H, W) values of a prediction file -> train ids; confidences of one half or more become the class."""
    if benchmark.confidence_class is not None:
        return np.where(pixels >= 128, benchmark.confidence_class, 1 - benchmark.confidence_class).astype(np.uint8)
    train_id_of = np.full(256, benchmark.classes.void, np.uint8)
    train_id_of[benchmark.prediction_ids[: len(benchmark.classes)]] = range(len(benchmark.classes))
    ids: UInt8Array = train_id_of[pixels]
    return ids


def legend_of(benchmark: Benchmark, present: "np.typing.NDArray[np.bool_] | None" = None) -> Entries:
    """Legend entries for the colours of predictions: all classes, or those whose pixel values are present."""
    colors = benchmark.prediction_colors
    if (confident := benchmark.confidence_class) is not None:
        name = benchmark.classes.names[confident]
        return [(f"{name} {share} %", _color(colors[round(2.55 * share)])) for share in (0, 25, 50, 75, 100)]
    ids = zip(benchmark.classes.names, benchmark.prediction_ids.tolist(), strict=False)
    return [(name, _color(colors[pixel])) for name, pixel in ids if present is None or present[pixel]]


def _figure(benchmark: Benchmark, scene: Scene, predictions: Predictions) -> UInt8Array:
    """The figure of a scene: title, image, ground truth if there is one, prediction and legend, as (H, W, 3) RGB."""
    sample, classes = scene.sample, benchmark.classes
    palette = classes.colorize(np.arange(256, dtype=np.uint8))
    if (0, 0, 0) in classes.colors:  # black is also the default colour of pixels without a class
        palette[len(classes) :] = _VOID
    masks = {"ground truth": benchmark.read_mask(sample.mask)} if sample.mask is not None else {}
    masks["prediction"] = train_ids(benchmark, _ids(predictions.path(sample)))
    panels = {"image": read_image(sample.image)} | {caption: palette[mask] for caption, mask in masks.items()}
    present = sorted(set().union(*(np.unique(mask).tolist() for mask in masks.values())))
    names = [*classes.names, *["no class, not scored"] * (256 - len(classes))]
    entries = {names[train_id]: _color(palette[train_id]) for train_id in present}
    score = "" if scene.iou is None else f": IoU {100 * scene.iou:.1f} %, mean of its {scene.classes} classes"
    return page.page(f"{Path(sample.name).name}{score}", panels, list(entries.items()))


def _scores(benchmark: Benchmark, truth: UInt8Array, predicted: UInt8Array) -> ClassScores:
    """The scores of one image, from (H, W) train ids."""
    classes = len(benchmark.classes)
    labelled = truth < classes
    cells = truth[labelled].astype(np.int64) * (classes + 1) + np.minimum(predicted[labelled], classes)
    return ClassScores(np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1))


def _ids(path: Path) -> UInt8Array:
    return read_ids(path).astype(np.uint8, copy=False)


def _color(rgb: UInt8Array) -> Color:
    red, green, blue = rgb.tolist()
    return red, green, blue
