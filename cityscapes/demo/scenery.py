"""The surroundings of a synthetic street: sky, ground, houses, walls, fences and plants.

A side of the road is -1 for left or 1 for right.
"""

import numpy as np

from cityscapes.demo.canvas import Canvas, Color, Points, circle, convex_hull, shade, vary

LANES = (-2.9, 0.0, 2.9)
"""Middle of each lane, in metres to the right of the camera."""
KERB = 4.3
"""Distance of the kerbs from the middle of the road in metres."""
_BARRIER = 8.9  # distance of walls and fences from the middle of the road
_FRONT = 10.4  # distance of the houses
_NEAR, _FAR = 3.0, 70.0  # start and end of the road ahead

_SKIES: list[tuple[Color, Color]] = [  # at the top and at the horizon
    ((92, 150, 222), (206, 226, 244)),
    ((150, 172, 200), (222, 228, 234)),
    ((112, 150, 206), (246, 222, 190)),
]
_ASPHALT: list[Color] = [(92, 92, 100), (82, 82, 92), (102, 98, 102)]
_PAVING: list[Color] = [(186, 168, 158), (172, 160, 158), (196, 176, 160)]
_GRASS: list[Color] = [(150, 176, 84), (166, 178, 92), (140, 164, 76)]
_LEAVES: list[Color] = [(66, 112, 46), (54, 98, 50), (82, 122, 48), (74, 108, 40), (160, 120, 48)]
_PLASTER: list[Color] = [(172, 92, 74), (196, 160, 112), (206, 188, 156), (150, 138, 132), (184, 122, 86)]
_TILES: list[Color] = [(146, 74, 56), (92, 84, 88), (120, 66, 52)]
_STONE: list[Color] = [(128, 124, 150), (118, 118, 142), (150, 136, 124)]
_PICKETS: list[Color] = [(232, 206, 176), (220, 190, 168), (120, 150, 128)]


def sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """The sky, with a few clouds."""
    zenith, haze = _SKIES[int(rng.integers(len(_SKIES)))]
    low, bands = canvas.camera.y + 20, 32
    for band in range(bands):
        red, green, blue = (round(a + (b - a) * band / (bands - 1)) for a, b in zip(zenith, haze, strict=True))
        top, bottom = low * band / bands, low * (band + 1) / bands
        canvas.patch([(0, top), (0, bottom), (2048, bottom), (2048, top)], (red, green, blue))
    for _ in range(int(rng.integers(2, 6))):
        x, y, size = rng.uniform(500, 1550), rng.uniform(20, 230), rng.uniform(25, 60)
        for puff in (-2, -1, 0, 1, 2):
            middle_x, middle_y = x + puff * size, y - size * (0.5 - 0.25 * abs(puff))
            outline = [(middle_x + 1.2 * u, middle_y + 0.6 * v) for u, v in circle(0, 0, size)]
            canvas.patch(outline, (244, 246, 250))
    canvas.annotate("sky", [(-40, -30), (-40, low), (2100, low), (2100, -30)])


def ground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Road, sidewalks and verges; one side has a wider verge, the other has a parking lane."""
    flat, green = canvas.camera.flat, 1 if rng.random() < 0.5 else -1
    canvas.patch(flat(-60, 60, _NEAR, 400), (96, 88, 80))  # not annotated: pixels that stay visible are unlabelled
    canvas.shape("road", flat(-KERB, KERB, _NEAR, _FAR), vary(rng, _ASPHALT))
    for side in (-1, 1):
        verge = 5.6 if side == green else 7.0
        _sidewalk(canvas, rng, side, verge)
        canvas.shape("terrain", flat(side * (verge + 0.35), side * (_BARRIER + 0.4), _NEAR, _FAR), vary(rng, _GRASS))
    _markings(canvas, rng)
    canvas.shape("parking", flat(-green * KERB, -green * (KERB + 2.1), 12, 20), (122, 112, 116))
    for z in (12, 16, 20):
        canvas.patch(flat(-green * KERB, -green * (KERB + 2.1), z - 0.1, z + 0.1), (226, 226, 226))
    canvas.shape("ground", flat(green * 4.6, green * 8, 19, 24), (150, 132, 104))


def _sidewalk(canvas: Canvas, rng: np.random.Generator, side: int, verge: float) -> None:
    flat, paving = canvas.camera.flat, vary(rng, _PAVING)
    canvas.shape("sidewalk", flat(side * KERB, side * verge, _NEAR, _FAR), paving)
    for z in range(4, 40):
        canvas.patch(flat(side * KERB, side * verge, z, z + 0.06), shade(paving, 0.86))
    canvas.patch(flat(side * KERB, side * (KERB + 0.25), _NEAR, _FAR), shade(paving, 1.12))


def _markings(canvas: Canvas, rng: np.random.Generator) -> None:
    flat, white = canvas.camera.flat, (222, 222, 220)
    start, z = rng.uniform(3, 7), rng.uniform(6.5, 8)
    crossing = rng.random() < 0.5
    for dash in range(12):
        z0, z1 = start + 4 * dash, start + 4 * dash + 2
        if crossing and z0 < z + 2.5 and z1 > z - 0.5:
            continue
        for x in (-1.45, 1.45):
            canvas.patch(flat(x - 0.08, x + 0.08, z0, z1), white)
    if crossing:
        for stripe in range(10):
            x = -KERB + 0.2 + 0.9 * stripe
            canvas.patch(flat(x, x + 0.45, z, z + 2), white)


def vista(canvas: Canvas, rng: np.random.Generator) -> None:
    """The end of the street: trees, often in front of a house."""
    camera, color, middle = canvas.camera, vary(rng, _LEAVES), rng.uniform(-8, 8)
    if rng.random() < 0.5:
        canvas.shape("building", camera.front(-13, 9, 0, rng.uniform(6, 9), 66), vary(rng, _PLASTER))
    for tree in range(-4, 5):
        crown = circle(middle + 3 * tree, rng.uniform(2, 3.5), rng.uniform(2.5, 4))
        canvas.shape("vegetation", camera.stand(0, 62, crown), shade(color, rng.uniform(0.85, 1.05)))


def houses(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """A row of houses, with a gap here and there."""
    row, z = [], rng.uniform(7, 11)
    while z < 62:
        length = rng.uniform(7, 12)
        row.append((z, length))
        z += length + (rng.uniform(2, 4) if rng.random() < 0.35 else 0)
    for z, length in reversed(row):
        _house(canvas, rng, side, z, length)


def _house(canvas: Canvas, rng: np.random.Generator, side: int, z: float, length: float) -> None:
    camera, color, storeys = canvas.camera, vary(rng, _PLASTER, 14), int(rng.integers(2, 5))
    top, x, back = 3.1 * storeys + 0.6, side * _FRONT, side * (_FRONT + 6)
    facade = camera.side(x, 0, top, z, z + length)
    ridge = [camera.project(x + 3 * side, top + 2.4, z + depth) for depth in (length, 0)]
    canvas.shape("building", convex_hull(facade + ridge + camera.front(x, back, 0, top, z)), canvas.lit(color, 0))
    canvas.patch([*facade[1:3], *ridge], vary(rng, _TILES))
    canvas.patch(facade, canvas.lit(color, -side))
    canvas.patch(camera.side(x, top - 0.35, top, z, z + length), shade(color, 1.18))
    columns = int(length / 2.4)
    step = length / columns
    for storey in range(storeys):
        for column in range(columns):
            _window(canvas, rng, x, storey, z + step * (column + 0.5), shade(color, 1.25))


def _window(canvas: Canvas, rng: np.random.Generator, x: float, storey: int, z: float, frame: Color) -> None:
    """A window, or a shop window on the ground floor; a few are lit."""
    glass = vary(rng, [(58, 70, 92), (48, 58, 76), (74, 90, 112)] if rng.random() < 0.9 else [(250, 214, 130)])
    low, high = 3.1 * storey + (0.9 if storey else 0.2), 3.1 * storey + 2.5
    canvas.patch(canvas.camera.side(x, low - 0.15, high + 0.15, z - 0.8, z + 0.8), frame)
    canvas.patch(canvas.camera.side(x, low, high, z - 0.68, z + 0.68), glass)


def wall(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """A stone wall behind the verge."""
    x, z0, z1, color = side * _BARRIER, rng.uniform(9, 10), rng.uniform(20, 26), vary(rng, _STONE)
    along, height, courses = canvas.camera.side, rng.uniform(1.9, 2.4), 4
    canvas.shape("wall", along(x, 0, height, z0, z1), canvas.lit(color, -side))
    for course in range(courses):
        low, high = height * course / courses, height * (course + 1) / courses
        canvas.patch(along(x, high - 0.06, high, z0, z1), shade(color, 0.7))
        for stone in range(int(z1 - z0)):
            z = z0 + stone + 0.5 * (course % 2)
            canvas.patch(along(x, low, high, z, z + 0.08), shade(color, 0.7))
    canvas.patch(along(x, height - 0.16, height, z0, z1), shade(color, 1.3))


def fence(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """A picket fence behind the verge."""
    x, z0, z1, color = side * _BARRIER, rng.uniform(9, 10), rng.uniform(20, 26), vary(rng, _PICKETS)
    along, height, pickets = canvas.camera.side, rng.uniform(1.8, 2.2), int((z1 - z0) / 0.6)
    canvas.shape("fence", along(x, 0, height, z0, z1), (92, 66, 54))
    for picket in range(pickets):
        z = z0 + (z1 - z0) * picket / pickets
        canvas.patch(along(x, 0, height, z, z + 0.34), canvas.lit(color, -side))
    for y in (0.35, height - 0.5):
        canvas.patch(along(x, y, y + 0.16, z0, z1), shade(color, 0.85))


def trees(canvas: Canvas, rng: np.random.Generator, side: int) -> None:
    """A few trees between the houses and the road, the farthest first."""
    for distance in (28, 21, 14):
        _tree(canvas, rng, side * rng.uniform(9.2, 9.8), distance + rng.uniform(0, 4))


def _tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    stand, color = canvas.camera.stand, vary(rng, _LEAVES)
    radius, middle = rng.uniform(1.7, 2.3), rng.uniform(4.2, 5)
    canvas.shape("vegetation", stand(x, z, [(-0.2, 0), (-0.14, middle), (0.14, middle), (0.2, 0)]), (88, 66, 48))
    canvas.shape("vegetation", stand(x, z, _crown(rng, middle, radius)), color)
    for _ in range(16):
        u, v = rng.uniform(-0.62, 0.62, 2) * radius
        tone = canvas.lit(color, 2 * u / radius)
        leaves = circle(u, middle + v, rng.uniform(0.18, 0.34) * radius, 9)
        canvas.patch(stand(x, z, leaves), shade(tone, 1.18) if v > 0 else tone)


def bush(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A round bush."""
    stand, color = canvas.camera.stand, vary(rng, _LEAVES)
    canvas.shape("vegetation", stand(x, z, _crown(rng, 0.5, 0.8)), color)
    for _ in range(6):
        u, v = rng.uniform(-0.45, 0.45, 2)
        canvas.patch(stand(x, z, circle(u, 0.5 + v, 0.2, 9)), shade(color, rng.uniform(0.8, 1.3)))


def _crown(rng: np.random.Generator, middle: float, radius: float) -> Points:
    """The ragged outline of leaves."""
    return [
        (u * stretch, middle + (v - middle) * stretch)
        for (u, v), stretch in zip(circle(0, middle, radius, 18), rng.uniform(0.82, 1.08, 18), strict=True)
    ]
