"""A synthetic street scene: chooses its objects and their positions.

It contains the special cases of real scenes: overlapping and completely hidden objects, groups, license plates,
deleted objects, polygons that reach beyond the image, unlabelled pixels, and all kinds of void, in addition to nearly
all of the 19 classes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cityscapes.demo import scenery, traffic
from cityscapes.demo.canvas import Camera, Canvas, Color, Points, circle, shade, vary
from cityscapes.demo.scenery import KERB, LANES
from engine.arrays import UInt8Array


class Street(NamedTuple):
    """A finished scene."""

    picture: UInt8Array
    """(H, W, 3) uint8 RGB picture."""
    objects: list[dict[str, Any]]
    """Objects as in a polygon file."""

    @property
    def dummy_objects(self) -> list[dict[str, Any]]:
        """The objects that the test split publishes: only those that belong to the camera and its car."""
        camera = ("ego vehicle", "rectification border", "out of roi")
        return [entry for entry in self.objects if entry["label"] in camera]


class _Thing(NamedTuple):
    """An object on the ground, z metres ahead and x metres to the right."""

    paint: Callable[[Canvas, np.random.Generator, float, float], object]
    x: float
    z: float


def draw_street(rng: np.random.Generator, width: int, height: int) -> Street:
    """Draw a street scene; the same generator gives the same scene at any size."""
    camera = Camera(rng.uniform(880, 1170), rng.uniform(390, 470))
    canvas = Canvas(width, height, camera, light=_side(rng))
    scenery.sky(canvas, rng)
    scenery.ground(canvas, rng)
    scenery.vista(canvas, rng)
    walled = _side(rng)
    for side in (-1, 1):
        scenery.houses(canvas, rng, side)
        scenery.trees(canvas, rng, side)
        (scenery.wall if side == walled else scenery.fence)(canvas, rng, side)
    things = [*_roadside(rng, -1), *_roadside(rng, 1), *_groups(rng), *_on_the_road(rng)]
    for thing in sorted(things, key=lambda thing: -thing.z):
        thing.paint(canvas, rng, thing.x, thing.z)
    _deleted(canvas, rng)
    _camera_car(canvas)
    return Street(canvas.render(rng), canvas.objects)


def _side(rng: np.random.Generator) -> int:
    """A random side: -1 is left, 1 is right."""
    return 2 * int(rng.integers(2)) - 1


def _on_the_road(rng: np.random.Generator) -> list[_Thing]:
    """In most lanes a large vehicle, and in front of it a car, a motorcycle or a bicycle."""
    far, near = (traffic.bus, traffic.truck, traffic.tram), (traffic.car, traffic.motorcyclist, traffic.cyclist)
    things = []
    for lane, large, small in zip(LANES, rng.permutation(3), rng.permutation(3), strict=True):
        if rng.random() < 0.9:
            things.append(_Thing(far[large], lane + rng.uniform(-0.15, 0.15), rng.uniform(13.5, 20)))
        if rng.random() < 0.9:
            things.append(_Thing(near[small], lane + rng.uniform(-0.4, 0.4), rng.uniform(8, 12)))
    return things


def _roadside(rng: np.random.Generator, side: int) -> list[_Thing]:
    """A parked car, people, poles and more along one side of the road."""
    parked = traffic.bicycle if rng.random() < 0.5 else traffic.motorcycle
    clutter = (_bin, _suitcase)[int(rng.integers(2))]
    things = [
        _Thing(_signal, side * (KERB + 0.4), rng.uniform(10, 12)),
        _Thing(_signpost, side * (KERB + 0.5), rng.uniform(13, 16)),
        _Thing(traffic.car, side * (KERB + 1.1), rng.uniform(13, 16)),
        _Thing(parked, side * (KERB + 2.4), rng.uniform(11, 13)),
        _Thing(clutter, side * (KERB + 2.8), rng.uniform(10.5, 12)),
        _Thing(scenery.bush, side * rng.uniform(7.4, 8.4), rng.uniform(16, 20)),
    ]
    walkers = [
        _Thing(traffic.person, side * rng.uniform(KERB + 1, KERB + 2.4), rng.uniform(8.5, 12))
        for _ in range(int(rng.integers(1, 4)))
    ]
    return things + walkers


def _groups(rng: np.random.Generator) -> list[_Thing]:
    """Groups of objects that the annotators did not separate."""
    return [
        _Thing(_cars, _side(rng) * (KERB + 1.3), 30),
        _Thing(_people, _side(rng) * (KERB + 2), 18),
        _Thing(_poles, _side(rng) * (KERB + 1), 27),
    ]


def _cars(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    with canvas.group("cargroup"):
        for offset in (2, 1, 0):
            traffic.car(canvas, rng, x, z + 5 * offset)


def _people(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    with canvas.group("persongroup"):
        for offset in range(4):
            traffic.person(canvas, rng, x + 0.6 * offset, z)


def _poles(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    with canvas.group("polegroup"):
        for offset in (0, 0.5):
            _pole(canvas, rng, x + offset, z, 6)


def _pole(canvas: Canvas, rng: np.random.Generator, x: float, z: float, height: float) -> None:
    stand, half, color = canvas.camera.stand, 0.2, vary(rng, [(196, 200, 206), (208, 208, 204)])
    canvas.shape("pole", stand(x, z, [(-half, 0), (-half, height), (half, height), (half, 0)]), color)
    canvas.patch(stand(x, z, [(half / 3, 0), (half / 3, height), (half, height), (half, 0)]), shade(color, 0.6))


def _signal(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A pole with a traffic light on it."""
    stand, low, lit = canvas.camera.stand, rng.uniform(2.5, 2.9), int(rng.integers(3))
    _pole(canvas, rng, x, z, rng.uniform(4.6, 5.2))
    housing = [(-0.42, low), (-0.42, low + 1.7), (0.42, low + 1.7), (0.42, low)]
    canvas.shape("traffic light", stand(x, z, housing), (36, 40, 30))
    lamps: list[Color] = [(40, 240, 110), (255, 190, 30), (255, 50, 40)]
    for number, color in enumerate(lamps):
        lamp = circle(0, low + 0.32 + 0.53 * number, 0.23)
        canvas.patch(stand(x, z, lamp), color if number == lit else shade(color, 0.42))


_SIGNS: list[tuple[int, Color, Color, Color]] = [  # corners; colours of rim, middle and symbol
    (3, (214, 30, 44), (244, 244, 240), (40, 40, 44)),
    (16, (214, 30, 44), (244, 244, 240), (40, 40, 44)),
    (4, (244, 244, 240), (248, 206, 30), (248, 206, 30)),
    (16, (28, 84, 200), (28, 84, 200), (244, 244, 240)),
]


def _signpost(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A pole with one of several traffic signs."""
    stand, middle = canvas.camera.stand, rng.uniform(3.4, 3.9)
    _pole(canvas, rng, x, z, middle)
    corners, rim, inner, mark = _SIGNS[int(rng.integers(len(_SIGNS)))]
    canvas.shape("traffic sign", stand(x, z, [(v, middle + u) for u, v in circle(0, 0, 0.85, corners)]), rim)
    canvas.patch(stand(x, z, [(v, middle + u) for u, v in circle(0, 0, 0.56, corners)]), inner)
    canvas.patch(
        stand(x, z, [(-0.1, middle - 0.26), (-0.1, middle + 0.26), (0.1, middle + 0.26), (0.1, middle - 0.26)]), mark
    )


def _bin(canvas: Canvas, _: np.random.Generator, x: float, z: float) -> None:
    stand = canvas.camera.stand
    canvas.shape("static", stand(x, z, [(-0.3, 0), (-0.36, 1.1), (0.36, 1.1), (0.3, 0)]), (70, 84, 76))
    canvas.patch(stand(x, z, [(-0.35, 0.96), (-0.36, 1.1), (0.36, 1.1), (0.35, 0.96)]), (40, 50, 46))


def _suitcase(canvas: Canvas, _: np.random.Generator, x: float, z: float) -> None:
    stand = canvas.camera.stand
    canvas.shape("dynamic", stand(x, z, [(-0.3, 0), (-0.3, 0.8), (0.3, 0.8), (0.3, 0)]), (146, 104, 60))
    canvas.patch(stand(x, z, [(-0.3, 0.36), (-0.3, 0.46), (0.3, 0.46), (0.3, 0.36)]), (90, 60, 36))


def _deleted(canvas: Canvas, rng: np.random.Generator) -> None:
    """An object that the annotators deleted."""
    x, y = rng.uniform(300, 1400), rng.uniform(100, 500)
    canvas.annotate("car", [(x, y), (x, y + 200), (x + 300, y + 200), (x + 300, y)], deleted=1)


def _camera_car(canvas: Canvas) -> None:
    """The bonnet in front of the camera, and the margins of its image."""
    bonnet: Points = [(300, 1040), (420, 985), (700, 955), (1024, 946), (1348, 955), (1628, 985), (1748, 1040)]
    canvas.shape("ego vehicle", bonnet, (60, 62, 70))
    canvas.patch([(x, y + 12) for x, y in bonnet], (88, 92, 102))
    canvas.patch([(x, y + 40) for x, y in bonnet], (70, 72, 80))
    canvas.shape("rectification border", [(-10, 960), (40, 1030), (-10, 1030)], (0, 0, 0))
    outer: Points = [(-1, 0), (2049, 0), (2049, 1025), (-1, 1025), (-1, 0)]
    inner: Points = [(8, 8), (8, 1016), (2040, 1016), (2040, 8), (8, 8)]
    canvas.annotate("out of roi", outer + inner)
