"""The canvas of the synthetic scenes: a picture and its polygons, seen by one camera.

Positions are in metres: x to the right and y up from the road under the camera, z straight ahead. Points are in
pixels of an official 2048 x 1024 image; the canvas scales them to its size. The picture is drawn at twice its size
and averaged, which smooths its edges.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from cityscapes.ground_truth.polygons import Annotation, Shape, draw
from cityscapes.labels import BY_NAME
from cityscapes.layout import IMAGE_SIZE
from engine.arrays import UInt8Array

Point = tuple[float, float]
"""x and y in pixels of an official image, or in metres of a flat outline."""
Points = list[Point]
Color = tuple[int, int, int]
"""RGB, 0 to 255."""

_FOCAL = 1400.0
"""Focal length of the camera in pixels of an official image."""
_CAMERA_HEIGHT = 1.9
"""Height of the camera above the road in metres."""


class Camera(NamedTuple):
    """Pinhole camera, given by the vanishing point of the straight road in pixels of an official image."""

    x: float
    y: float

    def project(self, x: float, y: float, z: float) -> Point:
        """The point at which a position appears."""
        return self.x + x * _FOCAL / z, self.y + (_CAMERA_HEIGHT - y) * _FOCAL / z

    def front(self, x0: float, x1: float, y0: float, y1: float, z: float) -> Points:
        """An upright rectangle that faces the camera."""
        return [self.project(x0, y0, z), self.project(x0, y1, z), self.project(x1, y1, z), self.project(x1, y0, z)]

    def side(self, x: float, y0: float, y1: float, z0: float, z1: float) -> Points:
        """An upright rectangle along the road."""
        return [self.project(x, y0, z0), self.project(x, y1, z0), self.project(x, y1, z1), self.project(x, y0, z1)]

    def flat(self, x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> Points:
        """A horizontal rectangle."""
        return [self.project(x0, y, z0), self.project(x0, y, z1), self.project(x1, y, z1), self.project(x1, y, z0)]

    def stand(self, x: float, z: float, outline: Iterable[Point], mirror: int = 1) -> Points:
        """A flat figure that stands upright at (x, z); its outline is in metres to the right and up from there."""
        return [self.project(x + mirror * u, v, z) for u, v in outline]


class Canvas:
    """A scene that is being drawn; later shapes cover earlier ones, both in the picture and in the masks."""

    def __init__(self, width: int, height: int, camera: Camera, light: int) -> None:
        self.camera = camera
        self.objects: list[dict[str, Any]] = []
        """Annotated objects, as entries of a polygon file."""
        self._light = light  # side of the sun: -1 is left, 1 is right
        self._size = width, height
        self._picture = Image.new("RGB", (2 * width, 2 * height))
        self._draw = ImageDraw.Draw(self._picture)

    def patch(self, points: Points, color: Color) -> None:
        """Paint an area of the picture without annotating it."""
        scale_x, scale_y = (2 * mine / official for mine, official in zip(self._size, IMAGE_SIZE, strict=True))
        self._draw.polygon([(round(x * scale_x), round(y * scale_y)) for x, y in points], fill=color)

    def annotate(self, label: str, points: Points, **marks: int) -> None:
        """Add an object to the annotation; `marks` are further values of its entry, for example `deleted=1`."""
        scale_x, scale_y = (mine / official for mine, official in zip(self._size, IMAGE_SIZE, strict=True))
        # Half a pixel to the left, because a polygon covers the pixel columns of both its ends.
        polygon = [[round(x * scale_x - 0.5), round(y * scale_y)] for x, y in points]
        self.objects.append({"label": label, "polygon": polygon} | marks)

    def shape(self, label: str, points: Points, color: Color) -> None:
        """Paint an area and annotate it."""
        self.patch(points, color)
        self.annotate(label, points)

    @contextmanager
    def group(self, label: str) -> Iterator[None]:
        """Merge the objects annotated within this context into one, with their convex hull as polygon."""
        start = len(self.objects)
        yield
        members = self.objects[start:]
        outline = convex_hull((x, y) for member in members for x, y in member["polygon"])
        self.objects[start:] = [{"label": label, "polygon": [[x, y] for x, y in outline]}]

    def lit(self, color: Color, side: float) -> Color:
        """The colour, in this light, of an upright surface that faces left (-1) or right (1)."""
        return shade(color, 0.93 + 0.15 * side * self._light)

    def annotation(self) -> Annotation:
        """The annotation so far, without deleted objects."""
        shapes = [
            Shape(entry["label"], np.array(entry["polygon"], np.int64))
            for entry in self.objects
            if not entry.get("deleted")
        ]
        return Annotation(*self._size, shapes)

    def render(self, rng: np.random.Generator) -> UInt8Array:
        """Photograph the scene: add the texture of surfaces, daylight and the noise of the sensor.

        Returns:
            (H, W, 3) uint8, RGB. All arithmetic is on integers, so the pixels are the same on every machine.
        """
        scene = np.asarray(self._picture.reduce(2)).astype(np.int32)  # (H, W, 3)
        scene += _grain(draw(self.annotation()).label_ids, rng)[:, :, None]
        scene = scene * _daylight(self._size[0], self._light, rng) >> 16
        blurred = Image.fromarray(_bytes(scene)).filter(ImageFilter.BoxBlur(0.3))
        noise = rng.integers(-5, 6, scene.shape, np.int32) + rng.integers(-4, 5, scene.shape, np.int32)
        return _bytes(np.asarray(blurred).astype(np.int32) + noise)


_GRAIN = {  # label -> roughness from pixel to pixel, and in patches
    "vegetation": (30, 70),
    "terrain": (44, 24),
    "road": (14, 10),
    "sidewalk": (10, 14),
    "building": (8, 16),
    "wall": (20, 34),
    "ground": (30, 30),
    "sky": (0, 4),
}


def _grain(label_ids: UInt8Array, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """(H, W) brightness that the texture of the surfaces adds to each pixel."""
    height, width = label_ids.shape
    fine_of, patchy_of = np.full(256, 8, np.int32), np.full(256, 8, np.int32)
    for name, roughness in _GRAIN.items():
        fine_of[BY_NAME[name].id], patchy_of[BY_NAME[name].id] = roughness
    fine = rng.integers(-128, 128, label_ids.shape, np.int32)
    blotches = rng.integers(0, 256, (32, 64), np.uint8)  # the same for every size of the image
    patchy = np.asarray(Image.fromarray(blotches).resize((width, height), Image.Resampling.BILINEAR)).astype(np.int32)
    return (fine * fine_of[label_ids] + (patchy - 128) * patchy_of[label_ids]) >> 8


def _daylight(width: int, light: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """(1, W, 3) brightness in units of 1/65536: exposure, colour temperature, and falloff away from the sun."""
    gain, warmth = int(rng.integers(195, 290)), int(rng.integers(-14, 15))
    tint = np.array([gain + warmth, gain, gain - warmth], np.int32)
    slope = np.linspace(-16, 16, width).round().astype(np.int32) * light + 256
    return slope[None, :, None] * tint


def _bytes(values: npt.NDArray[np.int32]) -> UInt8Array:
    return values.clip(0, 255).astype(np.uint8)


def shade(color: Color, factor: float) -> Color:
    """The colour, made darker or lighter by a factor."""
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue


def vary(rng: np.random.Generator, colors: Sequence[Color], spread: int = 10) -> Color:
    """One of the colours at random, with small changes of lightness and hue."""
    color = colors[int(rng.integers(len(colors)))]
    lightness = int(rng.integers(-spread, spread + 1))
    red, green, blue = (
        min(255, max(0, channel + lightness + int(shift)))
        for channel, shift in zip(color, rng.integers(-6, 7, 3), strict=True)
    )
    return red, green, blue


def circle(u: float, v: float, radius: float, corners: int = 14) -> Points:
    """A regular polygon around (u, v)."""
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    return [(u + radius * math.cos(angle), v + radius * math.sin(angle)) for angle in angles]


def convex_hull(points: Iterable[Point]) -> Points:
    """The convex hull of points (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    return _chain(ordered)[:-1] + _chain(ordered[::-1])[:-1]


def _chain(ordered: Points) -> Points:
    chain: Points = []
    for x, y in ordered:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            chain.pop()
        chain.append((x, y))
    return chain
