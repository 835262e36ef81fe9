"""People and vehicles of the synthetic scenes, each painted and annotated at its position."""

import numpy as np

from cityscapes.demo.canvas import Canvas, Color, Point, Points, circle, convex_hull, shade, vary

_SKIN: list[Color] = [(236, 188, 154), (214, 160, 122), (150, 102, 72), (112, 76, 54)]
_CLOTHES: list[Color] = [(196, 40, 70), (150, 44, 120), (214, 92, 132), (66, 84, 170), (232, 226, 214), (60, 130, 96)]
_TROUSERS: list[Color] = [(40, 44, 78), (58, 48, 52), (34, 34, 38)]
_JACKETS: list[Color] = [(250, 140, 20), (240, 226, 30), (244, 108, 30), (206, 44, 60), (60, 110, 200)]
_FRAMES: list[Color] = [(90, 200, 190), (120, 220, 150), (226, 60, 60), (238, 196, 70)]
_TANKS: list[Color] = [(34, 60, 236), (88, 40, 220), (204, 30, 40), (70, 74, 84)]
_BUSES: list[Color] = [(244, 198, 24), (250, 176, 20), (214, 44, 44), (96, 160, 220)]
_TRUCKS: list[Color] = [(226, 110, 40), (236, 226, 206), (214, 128, 60), (92, 128, 170)]
_TRAMS: list[Color] = [(24, 150, 130), (20, 130, 110), (178, 36, 48)]
_CARS: list[Color] = [(30, 52, 150), (26, 30, 52), (188, 194, 204), (164, 22, 30), (52, 92, 168), (236, 238, 240)]
_GLASS: Color = (44, 56, 72)
_RUBBER: Color = (26, 26, 30)
_LAMP: Color = (255, 244, 196)
_REAR_LAMP: Color = (226, 24, 24)

_PERSON: Points = [(-0.27, 0), (-0.3, 0.8), (-0.4, 0.85), (-0.38, 1.42), (-0.15, 1.52), (-0.18, 1.72), (-0.08, 1.86)]
_RIDER: Points = [
    (-0.42, 0.86), (-0.36, 1.15), (-0.14, 1.58), (-0.04, 1.64), (-0.04, 1.84), (0.08, 1.98), (0.28, 1.98), (0.38, 1.84),
    (0.36, 1.66), (0.3, 1.58), (0.36, 1.44), (0.66, 1.16), (0.62, 1.0), (0.26, 1.14), (0.2, 0.9), (0.3, 0.24),
    (0.06, 0.18), (-0.06, 0.7),
]  # fmt: skip
_HATCHBACK: Points = [(0.05, 0.3), (0, 0.9), (0.5, 1.48), (2.5, 1.54), (3.3, 1.14), (4.1, 0.9), (4.1, 0.3)]  # z and y


def person(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A pedestrian in clothes of a random colour."""
    size = rng.uniform(0.95, 1.1)
    clothes, trousers, skin = vary(rng, _CLOTHES), vary(rng, _TROUSERS), vary(rng, _SKIN)

    def paint(outline: Points, color: Color) -> Points:
        points = canvas.camera.stand(x, z, [(size * u, size * v) for u, v in outline])
        canvas.patch(points, color)
        return points

    whole = paint(_PERSON + [(-u, v) for u, v in reversed(_PERSON)], clothes)
    canvas.annotate("person", whole)
    paint([(-0.27, 0), (-0.3, 0.82), (0.3, 0.82), (0.27, 0)], trousers)
    paint([(-0.03, 0), (-0.02, 0.7), (0.02, 0.7), (0.03, 0)], shade(trousers, 0.5))
    for mirror in (-1, 1):
        paint([(0.26 * mirror, 0.88), (0.26 * mirror, 1.3), (0.29 * mirror, 0.88)], shade(clothes, 0.6))
        paint([(0.3 * mirror, 0.84), (0.3 * mirror, 0.95), (0.39 * mirror, 0.95), (0.39 * mirror, 0.85)], skin)
    paint(circle(0, 1.68, 0.18), skin)
    paint([(-0.18, 1.7), (-0.1, 1.86), (0.1, 1.86), (0.18, 1.7), (0.1, 1.77), (-0.1, 1.77)], shade(trousers, 0.8))


def cyclist(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A person on a bicycle."""
    mirror = bicycle(canvas, rng, x, z)
    _rider(canvas, rng, x - 0.05 * mirror, z, mirror)


def motorcyclist(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A person on a motorcycle."""
    mirror = motorcycle(canvas, rng, x, z)
    _rider(canvas, rng, x, z, mirror)


def _rider(canvas: Canvas, rng: np.random.Generator, x: float, z: float, mirror: int) -> None:
    """A seated figure with a helmet and a bright jacket."""
    stand = canvas.camera.stand
    jacket, trousers, skin = vary(rng, _JACKETS), vary(rng, _TROUSERS), vary(rng, _SKIN)
    canvas.shape("rider", stand(x, z, _RIDER, mirror), jacket)
    canvas.patch(stand(x, z, [(-0.4, 0.86), (-0.36, 1.0), (0.24, 1.04), (0.3, 0.2), (0.06, 0.2)], mirror), trousers)
    canvas.patch(stand(x, z, [(0.14, 1.46), (0.6, 1.14), (0.5, 1.08), (0.1, 1.34)], mirror), shade(jacket, 0.75))
    canvas.patch(stand(x, z, circle(0.17, 1.76, 0.17), mirror), skin)
    helmet = [(-0.06, 1.76), (-0.04, 1.86), (0.08, 1.98), (0.28, 1.98), (0.38, 1.84), (0.36, 1.78)]
    canvas.patch(stand(x, z, helmet, mirror), vary(rng, [(236, 236, 240), (250, 190, 40)]))


def bicycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> int:
    """A bicycle seen from the side; returns its direction, 1 for right or -1 for left."""
    stand, mirror = canvas.camera.stand, 2 * int(rng.integers(2)) - 1
    frame = vary(rng, _FRAMES)
    for wheel in (-0.58, 0.58):
        canvas.patch(stand(x, z, circle(wheel, 0.4, 0.4), mirror), _RUBBER)
        canvas.patch(stand(x, z, circle(wheel, 0.4, 0.29), mirror), shade(frame, 0.62))
        canvas.patch(stand(x, z, circle(wheel, 0.4, 0.1), mirror), frame)
    bars = [(-0.58, 0.4, 0.0, 0.36), (-0.58, 0.4, -0.22, 0.86), (-0.22, 0.86, 0.0, 0.36)]
    bars += [(0.0, 0.36, 0.4, 0.84), (-0.2, 0.84, 0.42, 0.84), (0.58, 0.4, 0.4, 1.02)]
    for u0, v0, u1, v1 in bars:
        canvas.patch(stand(x, z, _bar((u0, v0), (u1, v1), 0.05), mirror), frame)
    canvas.patch(stand(x, z, _bar((-0.36, 0.94), (-0.1, 0.94), 0.05), mirror), _RUBBER)
    canvas.patch(stand(x, z, _bar((0.3, 1.04), (0.56, 1.04), 0.05), mirror), _RUBBER)
    top = [(-0.42, 0.98), (0.3, 1.09), (0.56, 1.09)]
    outline = convex_hull(circle(-0.58, 0.4, 0.4) + circle(0.58, 0.4, 0.4) + top)
    canvas.annotate("bicycle", stand(x, z, outline, mirror))
    return mirror


def motorcycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> int:
    """A motorcycle seen from the side; returns its direction, 1 for right or -1 for left."""
    stand, mirror = canvas.camera.stand, 2 * int(rng.integers(2)) - 1
    paint = vary(rng, _TANKS)
    body = [(-1.0, 0.92), (-0.3, 0.8), (0.0, 1.02), (0.36, 1.06), (0.62, 1.22), (0.8, 0.86), (0.5, 0.3), (-0.4, 0.26)]
    wheels = circle(-0.72, 0.38, 0.38) + circle(0.76, 0.38, 0.38)
    canvas.shape("motorcycle", stand(x, z, convex_hull(wheels + body), mirror), (46, 46, 62))
    for wheel in (-0.72, 0.76):
        canvas.patch(stand(x, z, circle(wheel, 0.38, 0.38), mirror), _RUBBER)
        canvas.patch(stand(x, z, circle(wheel, 0.38, 0.17), mirror), (150, 152, 164))
    canvas.patch(stand(x, z, body, mirror), paint)
    canvas.patch(stand(x, z, [(-0.9, 0.92), (-0.3, 0.82), (0.0, 0.96), (-0.1, 0.74), (-0.7, 0.74)], mirror), _RUBBER)
    canvas.patch(stand(x, z, _bar((-0.5, 0.34), (0.3, 0.34), 0.1), mirror), (168, 170, 180))
    canvas.patch(stand(x, z, circle(0.72, 0.96, 0.11), mirror), _LAMP)
    return mirror


def car(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A hatchback with its license plate."""
    camera, color, inwards = canvas.camera, vary(rng, _CARS), _inwards(x)
    left, right, flank = x - 0.92, x + 0.92, x + 0.92 * inwards
    corners = [*_HATCHBACK, (0.5, 0), (3.5, 0)]
    whole = convex_hull(camera.project(edge, y, z + depth) for edge in (left, right) for depth, y in corners)
    canvas.patch(camera.flat(left - 0.15, right + 0.15, z - 0.15, z + 4.3), (54, 54, 60))
    canvas.shape("car", whole, shade(color, 0.62))
    canvas.patch([camera.project(flank, y, z + depth) for depth, y in _HATCHBACK], canvas.lit(color, inwards))
    for z0, z1 in ((0.55, 1.45), (1.55, 2.6)):
        window = [(z0 + 0.1, 1.0), (z0 + 0.15, 1.42), (z1 - 0.1, 1.42), (z1 + 0.1, 1.0)]
        canvas.patch([camera.project(flank, y, z + depth) for depth, y in window], _GLASS)
    _wheels(canvas, flank, z, (0.8, 3.2), 0.36)

    canvas.patch(camera.front(left + 0.08, left + 0.34, 0, 0.4, z), _RUBBER)
    canvas.patch(camera.front(right - 0.34, right - 0.08, 0, 0.4, z), _RUBBER)
    canvas.patch(camera.front(left, right, 0.26, 0.9, z), canvas.lit(color, 0))
    canvas.patch(_slope(canvas, left, right, z, 0.0), shade(color, 1.1))
    canvas.patch(_slope(canvas, left, right, z, 0.16), _GLASS)
    canvas.patch(camera.flat(left + 0.1, right - 0.1, z + 0.5, z + 2.5, 1.5), shade(color, 1.15))
    lamp = _LAMP if rng.random() < 0.4 else _REAR_LAMP
    for edge in (left + 0.05, right - 0.4):
        canvas.patch(camera.front(edge, edge + 0.35, 0.66, 0.82, z), lamp)
    canvas.patch(camera.front(left + 0.04, right - 0.04, 0.26, 0.36, z), shade(color, 0.45))
    canvas.shape("license plate", camera.front(x - 0.28, x + 0.28, 0.42, 0.58, z), (240, 240, 232))


def bus(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A city bus with a band of windows."""
    camera, color, inwards = canvas.camera, vary(rng, _BUSES), _inwards(x)
    left, right, flank = x - 1.3, x + 1.3, x + 1.3 * inwards
    _box(canvas, "bus", left, right, 3.5, z, 9.0, color)
    canvas.patch(camera.side(flank, 1.35, 2.6, z + 0.3, z + 8.8), _GLASS)
    for post in range(1, 6):
        canvas.patch(camera.side(flank, 1.35, 2.6, z + 1.5 * post - 0.1, z + 1.5 * post), canvas.lit(color, inwards))
    canvas.patch(camera.side(flank, 0.4, 0.62, z, z + 9), (110, 36, 40))
    canvas.patch(camera.front(left + 0.14, right - 0.14, 1.3, 2.7, z), _GLASS)
    canvas.patch(camera.front(left + 0.3, right - 0.3, 2.86, 3.26, z), (30, 26, 20))
    canvas.patch(camera.front(left + 0.5, right - 0.9, 2.96, 3.16, z), (255, 170, 40))
    canvas.patch(camera.front(left, right, 0.4, 0.62, z), (110, 36, 40))
    _lamps(canvas, left, right, 0.86, z, _LAMP)
    _wheels(canvas, flank, z, (1.6, 7.2), 0.48)


def truck(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A box truck from behind: doors, stripes and a dark chassis."""
    camera, color, inwards = canvas.camera, vary(rng, _TRUCKS), _inwards(x)
    left, right, flank = x - 1.3, x + 1.3, x + 1.3 * inwards
    _box(canvas, "truck", left, right, 3.7, z, 7.5, color)
    canvas.patch(camera.side(flank, 0.05, 0.95, z, z + 7.5), (52, 52, 56))
    canvas.patch(camera.side(flank, 1.9, 2.7, z + 0.8, z + 6.6), shade(canvas.lit(color, inwards), 0.75))
    canvas.patch(camera.front(left, right, 0.05, 0.95, z), (60, 60, 64))
    for edge in (left + 0.12, x + 0.06):
        canvas.patch(camera.front(edge, edge + 1.12, 1.1, 3.5, z), shade(color, 0.84))
        canvas.patch(camera.front(edge + 0.12, edge + 1.0, 1.22, 3.38, z), shade(color, 1.02))
    for band in range(7):
        stripe = (200, 30, 30) if band % 2 else (244, 244, 244)
        canvas.patch(camera.front(left + 0.371 * band, left + 0.371 * band + 0.38, 0.72, 0.95, z), stripe)
    _lamps(canvas, left, right, 0.5, z, _REAR_LAMP)
    _wheels(canvas, flank, z, (1.4, 5.8), 0.5)


def tram(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A long two-coloured tram; its label is `train`."""
    camera, color, inwards = canvas.camera, vary(rng, _TRAMS), _inwards(x)
    left, right, flank, cream = x - 1.3, x + 1.3, x + 1.3 * inwards, (238, 230, 204)
    _box(canvas, "train", left, right, 3.8, z, 22.0, color)
    canvas.patch(camera.side(flank, 1.9, 3.8, z, z + 22), canvas.lit(cream, inwards))
    canvas.patch(camera.side(flank, 1.5, 2.9, z + 0.4, z + 21.6), _GLASS)
    for post in range(1, 8):
        canvas.patch(camera.side(flank, 1.5, 2.9, z + 2.7 * post - 0.3, z + 2.7 * post), canvas.lit(cream, inwards))
    canvas.patch(camera.front(left, right, 2.9, 3.8, z), canvas.lit(cream, 0))
    canvas.patch(camera.front(left + 0.2, right - 0.2, 1.4, 2.95, z), _GLASS)
    canvas.patch(camera.front(x - 0.6, x + 0.6, 3.1, 3.55, z), (24, 24, 28))
    canvas.patch(camera.front(left, right, 0.12, 0.4, z), (40, 44, 48))
    canvas.patch(camera.front(x - 0.2, x + 0.2, 0.7, 1.0, z), _LAMP)
    _lamps(canvas, left, right, 0.75, z, _LAMP)


def _inwards(x: float) -> int:
    """The flank that the camera sees, towards the middle of the road: 1 is right, -1 is left."""
    return 1 if x < 0 else -1


def _box(
    canvas: Canvas, label: str, left: float, right: float, top: float, z: float, length: float, color: Color
) -> None:
    """The body of a large vehicle, and the annotation of a person who is completely hidden behind it."""
    camera, inwards = canvas.camera, _inwards(left + right)
    flank = right if inwards > 0 else left
    near, far = camera.front(left, right, 0.05, top, z), camera.front(left, right, 0.05, top, z + length)
    canvas.annotate("person", camera.front(left + 0.8, right - 0.8, 0.4, 1.8, z))
    canvas.patch(camera.flat(left - 0.2, right + 0.2, z - 0.2, z + length), (54, 54, 60))
    canvas.shape(label, convex_hull(near + far), shade(color, 0.7))
    canvas.patch(camera.side(flank, 0.05, top, z, z + length), canvas.lit(color, inwards))
    canvas.patch(near, canvas.lit(color, 0))


def _wheels(canvas: Canvas, flank: float, z: float, axles: tuple[float, ...], radius: float) -> None:
    for axle in axles:
        for size, color in ((radius, _RUBBER), (0.55 * radius, (150, 152, 156))):
            rim = circle(axle, radius, size)
            canvas.patch([canvas.camera.project(flank, y, z + depth) for depth, y in rim], color)


def _lamps(canvas: Canvas, left: float, right: float, y: float, z: float, color: Color) -> None:
    for edge in (left + 0.1, right - 0.55):
        canvas.patch(canvas.camera.front(edge, edge + 0.45, y, y + 0.22, z), color)


def _slope(canvas: Canvas, left: float, right: float, z: float, inset: float) -> Points:
    """The slanting rear window of a car."""
    project, low, high = canvas.camera.project, 0.9 + 0.4 * inset, 1.48 - 0.5 * inset
    return [
        project(left + inset, low, z),
        project(left + 0.1 + inset, high, z + 0.5),
        project(right - 0.1 - inset, high, z + 0.5),
        project(right - inset, low, z),
    ]


def _bar(start: Point, end: Point, half: float) -> Points:
    """A straight bar, `half` wide on either side of its axis."""
    (u0, v0), (u1, v1) = start, end
    length = ((u1 - u0) ** 2 + (v1 - v0) ** 2) ** 0.5
    du, dv = (v1 - v0) / length * half, (u0 - u1) / length * half
    return [(u0 + du, v0 + dv), (u1 + du, v1 + dv), (u1 - du, v1 - dv), (u0 - du, v0 - dv)]
