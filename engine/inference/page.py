"""Pages of pictures with titles, captions and legends, drawn by Pillow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.arrays import UInt8Array
from engine.files.atomic import replacing

_WIDTH, _MIN_WIDTH = 640, 240
"""Largest and smallest width of a panel in pixels; small images are enlarged to make room for text."""
_MIN_ANIMATION = 320
"""Smallest width of a picture in an animation, in pixels."""
_MILLISECONDS = 500
"""Duration of each picture of an animation, in milliseconds."""
_WIDE = 2.5
"""Smallest aspect ratio, width to height, of panels that are drawn below each other."""
_MARGIN, _GAP = 14, 8
_PAPER, _INK, _FRAME = (255, 255, 255), (32, 32, 32), (160, 160, 160)

Color = tuple[int, int, int]
Entries = Sequence[tuple[str, Color]]
"""Entries of a legend: names and colours."""


def page(title: str, panels: Mapping[str, UInt8Array], entries: Entries) -> UInt8Array:
    """A page of panels with captions, next to each other, or below each other if they are wide.

    Args:
        title: one line above the panels.
        panels: caption -> (H, W, 3) RGB, all of one size.
        entries: entries of the legend below the panels.

    Returns:
        (H, W, 3) RGB.
    """
    pictures = {caption: _scaled(pixels, _WIDTH, _MIN_WIDTH) for caption, pixels in panels.items()}
    first = next(iter(pictures.values()))
    below = first.width > _WIDE * first.height
    caption_height, title_height = 24, 34
    step = (0, caption_height + first.height) if below else (first.width + _GAP, 0)
    count = len(pictures) - 1
    width = 2 * _MARGIN + first.width + count * step[0]
    key = _legend(entries, width)
    top = title_height + caption_height
    height = top + first.height + count * step[1] + key.height
    paper = Image.new("RGB", (width, height), _PAPER)
    paper.paste(_text(title, width, 18, bold=True), (0, 0))
    pen = ImageDraw.Draw(paper)
    for number, (caption, picture) in enumerate(pictures.items()):
        x, y = _MARGIN + number * step[0], top + number * step[1]
        pen.text((x, y - 5), caption, _INK, _font(14), anchor="ls")
        paper.paste(picture, (x, y))
    paper.paste(key, (0, height - key.height))
    return np.asarray(paper)


def legend(entries: Entries) -> UInt8Array:
    """A legend alone, as (H, W, 3) RGB."""
    return np.asarray(_legend(entries, _WIDTH))


def animation(path: Path, pictures: Sequence[tuple[str, UInt8Array]], entries: Entries, most: int = 480) -> None:
    """Write an animated GIF of pictures with captions, above one legend.

    Args:
        path: path of the GIF.
        pictures: captions and (H, W, 3) RGB pictures of any sizes.
        entries: entries of the legend.
        most: largest side of a picture in pixels; larger pictures are reduced.
    """
    colors = [color for _, color in entries]
    reduced = [_reduced(frame, picture, colors) for frame, picture in _frames(pictures, entries, most)]
    with replacing(path) as file:
        reduced[0].save(file, format="GIF", save_all=True, append_images=reduced[1:], duration=_MILLISECONDS, loop=0)


def frames(pictures: Sequence[tuple[str, UInt8Array]], entries: Entries, most: int) -> list[Image.Image]:
    """The RGB frames of an animation, all of one size, for example for a video; see `animation`."""
    return [frame for frame, _ in _frames(pictures, entries, most)]


def _frames(
    pictures: Sequence[tuple[str, UInt8Array]], entries: Entries, most: int
) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Yield frames of one size, each with the picture in it."""
    shown = [(caption, _scaled(pixels, most, _MIN_ANIMATION)) for caption, pixels in pictures]
    width, height = max(picture.width for _, picture in shown), max(picture.height for _, picture in shown)
    key = _legend(entries, width)
    for caption, picture in shown:
        above = _text(caption, width, 14)
        frame = Image.new("RGB", (width, above.height + height + key.height), _PAPER)
        frame.paste(above, (0, 0))
        frame.paste(picture, ((width - picture.width) // 2, above.height + (height - picture.height) // 2))
        frame.paste(key, (0, above.height + height))
        yield frame, picture


def _legend(entries: Entries, width: int) -> Image.Image:
    """Draw colour swatches with their names, in as many rows as the width requires."""
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


def _text(text: str, width: int, size: int, *, bold: bool = False) -> Image.Image:
    """Draw one line of text; the middle of a text that is too long is replaced by dots."""
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
    """Reduce the longer side of a (H, W, 3) picture to `most` pixels, or enlarge a small one to a width of `least`."""
    picture = Image.fromarray(pixels)
    longest = max(picture.size)
    if longest > most:
        width, height = (max(1, round(side * most / longest)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling.BOX)
    times = max(1, -(-least // picture.width))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _reduced(frame: Image.Image, picture: Image.Image, colors: Sequence[Color]) -> Image.Image:
    """Reduce a frame to 256 colours: exact ones for legend and text, the others chosen for its picture."""
    greys = [(level, level, level) for level in range(_INK[0], 240, 31)]
    fixed = list(dict.fromkeys([*colors, *greys, _PAPER, _FRAME]))[:128]
    others = picture.quantize(256 - len(fixed)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(([level for color in fixed for level in color] + others)[: 3 * 256])
    return frame.quantize(palette=palette, dither=Image.Dither.NONE)


def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)
