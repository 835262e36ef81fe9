"""Pictures of predictions for people: image, ground truth and prediction side by side, legends, and animated GIFs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.confusion import ClassScores, occurring
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.folders import find
from engine.files.images import read_ids, read_image, write_png
from engine.inference.output import Overlays, Predictions
from engine.parallel import ahead, required

_WIDTH, _LEAST_WIDTH = 640, 240
"""Pixels that a panel is wide at most, and at least: small images are enlarged, so that there is room for words."""
_GIF_WIDTH = 480
_GIF_MILLISECONDS = 500
"""How long a GIF shows each image."""
_WIDE = 2.5
"""Panels of images that are so many times as wide as high stand below each other."""
_MARGIN, _GAP = 14, 8
_VOID = (224, 224, 192)
"""What has no class, where black is the colour of a class."""
_PAPER, _INK, _FRAME = (255, 255, 255), (32, 32, 32), (160, 160, 160)

Color = tuple[int, int, int]
Entries = Sequence[tuple[str, Color]]
"""Names and colours of a legend."""


class Scene(NamedTuple):
    """A sample to be shown."""

    sample: Sample
    iou: float | None
    """Mean over the classes of this image alone, 0 to 1; None without a ground truth or any labelled pixel."""
    classes: int
    """How many that mean is over."""


def named(samples: Sequence[Sample], wanted: str) -> list[Sample]:
    """The samples that are wanted by name, with or without their folder, with commas between.

    Raises:
        InputError: with every name that is none or more than one.
    """
    found, faults = [], []
    for name in dict.fromkeys(part.strip() for part in wanted.split(",")):
        matching = [sample for sample in samples if name in (sample.name, Path(sample.name).name)]
        if len(matching) == 1:
            found += matching
        else:
            what = f"{len(matching)} images have this name" if matching else "there is no image of this name"
            faults.append(f"--figures {name}: {what}; give names such as {samples[0].name}, or how many to draw")
    if faults:
        raise InputError(*faults)
    return found


def rated(benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, workers: int) -> list[Scene]:
    """Samples with the IoU of each, in their order.

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
        return [scene for _, scene in required(ahead(pool, rate, samples, depth=2 * max(1, workers)))]


def worst(scenes: Sequence[Scene], number: int) -> list[Scene]:
    """So many scenes with the lowest IoU, the worst first; those without one come last, in their order."""
    return sorted(scenes, key=lambda scene: 2.0 if scene.iou is None else scene.iou)[:number]


def draw(benchmark: Benchmark, scenes: Sequence[Scene], predictions: Predictions, folder: Path) -> None:
    """Draw each scene into a PNG of its own, with its place in the order in the name; figures of before go."""
    for path in find(folder, "*.png"):
        path.unlink()
    for place, scene in enumerate(scenes, 1):
        name = f"{place:0{len(str(len(scenes)))}}_{Path(scene.sample.name).name}.png"
        write_png(folder / name, np.asarray(_figure(benchmark, scene, predictions)))


def animate(benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, path: Path) -> None:
    """Write a GIF of the images with their predictions in colour over them."""
    overlays = Overlays(path.parent, benchmark.prediction_colors)
    shown, present = [], np.zeros(256, np.bool_)
    for sample in samples:
        pixels = _ids(predictions.path(sample))
        present[pixels] = True
        shown.append((sample, _scaled(overlays.mixed(read_image(sample.image), pixels), _GIF_WIDTH)))
    width, height = max(picture.width for _, picture in shown), max(picture.height for _, picture in shown)
    entries = legend_of(benchmark, present)
    used = legend(entries, width)
    frames = []
    for sample, picture in shown:
        above = _text(Path(sample.name).name, width, 14)
        frame = Image.new("RGB", (width, above.height + height + used.height), _PAPER)
        frame.paste(above, (0, 0))
        frame.paste(picture, ((width - picture.width) // 2, above.height + (height - picture.height) // 2))
        frame.paste(used, (0, above.height + height))
        frames.append(_reduced(frame, picture, [color for _, color in entries]))
    with replacing(path) as file:
        frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], duration=_GIF_MILLISECONDS, loop=0)


def train_ids(benchmark: Benchmark, pixels: UInt8Array) -> UInt8Array:
    """(H, W) of a prediction file -> train ids; a confidence of half or more is its class."""
    if benchmark.confidence_class is not None:
        return np.where(pixels >= 128, benchmark.confidence_class, 1 - benchmark.confidence_class).astype(np.uint8)
    of = np.full(256, benchmark.classes.void, np.uint8)
    of[benchmark.prediction_ids[: len(benchmark.classes)]] = range(len(benchmark.classes))
    ids: UInt8Array = of[pixels]
    return ids


def legend_of(benchmark: Benchmark, present: "np.typing.NDArray[np.bool_] | None" = None) -> Entries:
    """The entries for the colours of predictions, of all classes or of those whose pixel values are present."""
    colors = benchmark.prediction_colors
    if (confident := benchmark.confidence_class) is not None:
        name = benchmark.classes.names[confident]
        return [(f"{name} {share} %", _color(colors[round(2.55 * share)])) for share in (0, 25, 50, 75, 100)]
    ids = zip(benchmark.classes.names, benchmark.prediction_ids.tolist(), strict=False)
    return [(name, _color(colors[pixel])) for name, pixel in ids if present is None or present[pixel]]


def legend(entries: Entries, width: int) -> Image.Image:
    """Swatches with names beside them, in as many rows as it takes."""
    font, side = _font(14), 16
    places, x, y = [], _MARGIN, _GAP
    for name, color in entries:
        wide = side + 6 + round(font.getlength(name)) + 2 * _GAP
        if x + wide > width and x > _MARGIN:
            x, y = _MARGIN, y + side + _GAP
        places.append((x, y, name, color))
        x += wide
    picture = Image.new("RGB", (width, y + side + _GAP), _PAPER)
    pen = ImageDraw.Draw(picture)
    for x, y, name, color in places:
        pen.rectangle((x, y, x + side - 1, y + side - 1), fill=color, outline=_FRAME)
        pen.text((x + side + 6, y + side // 2), name, _INK, font, anchor="lm")
    return picture


def write_legend(benchmark: Benchmark, path: Path) -> None:
    """Draw the legend of all colours of predictions."""
    write_png(path, np.asarray(legend(legend_of(benchmark), _WIDTH)))


def _figure(benchmark: Benchmark, scene: Scene, predictions: Predictions) -> Image.Image:
    """A scene's image, ground truth if there is one, and prediction, below a title and above a legend."""
    sample, classes = scene.sample, benchmark.classes
    palette = classes.colorize(np.arange(256, dtype=np.uint8))
    if (0, 0, 0) in classes.colors:  # which is that of what has no class
        palette[len(classes) :] = _VOID
    masks = {"ground truth": benchmark.read_mask(sample.mask)} if sample.mask is not None else {}
    masks["prediction"] = train_ids(benchmark, _ids(predictions.path(sample)))
    panels = {"image": read_image(sample.image)} | {caption: palette[mask] for caption, mask in masks.items()}
    present = sorted(set().union(*(np.unique(mask).tolist() for mask in masks.values())))
    names = [*classes.names, *["no class, not scored"] * (256 - len(classes))]
    entries = {names[place]: _color(palette[place]) for place in present}
    score = "" if scene.iou is None else f": IoU {100 * scene.iou:.1f} %, mean of its {scene.classes} classes"
    return _page(f"{Path(sample.name).name}{score}", panels, list(entries.items()))


def _page(title: str, panels: dict[str, UInt8Array], entries: Entries) -> Image.Image:
    """Panels with captions, beside each other, or below each other where they are wide."""
    pictures = {caption: _scaled(pixels, _WIDTH, _LEAST_WIDTH) for caption, pixels in panels.items()}
    first = next(iter(pictures.values()))
    below = first.width > _WIDE * first.height
    caption_height, title_height = 24, 34
    step = (0, caption_height + first.height) if below else (first.width + _GAP, 0)
    count = len(pictures) - 1
    width = 2 * _MARGIN + first.width + count * step[0]
    key = legend(entries, width)
    top = title_height + caption_height
    height = top + first.height + count * step[1] + key.height
    page = Image.new("RGB", (width, height), _PAPER)
    page.paste(_text(title, width, 18, bold=True), (0, 0))
    pen = ImageDraw.Draw(page)
    for place, (caption, picture) in enumerate(pictures.items()):
        x, y = _MARGIN + place * step[0], top + place * step[1]
        pen.text((x, y - 5), caption, _INK, _font(14), anchor="ls")
        page.paste(picture, (x, y))
    page.paste(key, (0, height - key.height))
    return page


def _text(text: str, width: int, size: int, *, bold: bool = False) -> Image.Image:
    """One line; the middle of a text that is too long is left out."""
    font = _font(size)
    shown, room = text, width - 2 * _MARGIN
    while font.getlength(shown) > room and len(text) > 8:
        text = text[: len(text) // 2 - 1] + text[len(text) // 2 + 1 :]
        shown = f"{text[: len(text) // 2]}...{text[len(text) // 2 :]}"
    picture = Image.new("RGB", (width, size + 16), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, picture.height // 2), shown, _INK, font, anchor="lm", stroke_width=0.3 if bold else 0)
    return picture


def _scaled(pixels: UInt8Array, most: int, least: int = 0) -> Image.Image:
    """(H, W, 3) as a picture that is at most, and at least, so wide; a tall one is at most as high as that."""
    picture = Image.fromarray(pixels)
    longest = max(picture.size)
    if longest > most:
        width, height = (max(1, round(side * most / longest)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling.BOX)
    times = max(1, -(-least // picture.width))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _reduced(frame: Image.Image, picture: Image.Image, colors: Sequence[Color]) -> Image.Image:
    """A frame in 256 colours: those of the legend and of the words as they are, and the best others for its picture."""
    greys = [(level, level, level) for level in range(_INK[0], 240, 31)]
    fixed = list(dict.fromkeys([*colors, *greys, _PAPER, _FRAME]))[:128]
    others = picture.quantize(256 - len(fixed)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(([level for color in fixed for level in color] + others)[: 3 * 256])
    return frame.quantize(palette=palette, dither=Image.Dither.NONE)


def _scores(benchmark: Benchmark, truth: UInt8Array, predicted: UInt8Array) -> ClassScores:
    """Pixels of one image by true and predicted class."""
    classes = len(benchmark.classes)
    labelled = truth < classes
    cells = truth[labelled].astype(np.int64) * (classes + 1) + np.minimum(predicted[labelled], classes)
    return ClassScores(np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1))


def _ids(path: Path) -> UInt8Array:
    return read_ids(path).astype(np.uint8, copy=False)


def _color(rgb: UInt8Array) -> Color:
    red, green, blue = rgb.tolist()
    return red, green, blue


def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)
