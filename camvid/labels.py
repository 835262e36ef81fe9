"""The two label tables of CamVid: the 11 merged classes of SegNet, and the 32 of the annotation.

11 classes: masks are grey, ids 0 to 10 in the order below, 11 = void.
32 classes: masks are in colour; one of the 32 is Void, which leaves 31 to train and to score.
"""

import csv
import io
from pathlib import Path

from engine.benchmark import ClassTable
from engine.errors import InputError
from engine.files.content import read_text
from engine.findings import grouped

VOID = 255
"""Train id of pixels that are neither trained on nor scored."""

SEGNET_VOID = 11
"""Pixel value of void in the grey masks."""

Color = tuple[int, int, int]

SEGNET = ClassTable(
    names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign symbol",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    void=VOID,
)
"""The 11 classes of Badrinarayanan et al. 2017, in the order and the colours of the SegNet tutorial."""

_ANNOTATED: dict[str, Color] = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Wall": (64, 192, 0),
}
"""Colours of the annotation, from its label_colors.txt; the 32nd class is Void, black."""

ANNOTATED = ClassTable(names=tuple(_ANNOTATED), colors=tuple(_ANNOTATED.values()), void=VOID)
"""The 31 classes of the annotation, in the order of its table, without Void."""

TRAIN_ID_OF_COLOR: dict[Color, int] = {**{color: i for i, color in enumerate(ANNOTATED.colors)}, (0, 0, 0): VOID}
"""Colour of the annotation -> train id."""


def read_class_table(path: Path) -> dict[Color, int]:
    """Colour -> train id, from a CSV file with the columns name, r, g and b.

    The file only decides the colour of each class, not the order of classes, so weights fit any such table. The class
    named Void gets the train id VOID.

    Raises:
        InputError: for every line without a class of CamVid and its colour, and for missing classes.
    """
    colors: dict[Color, int] = {}
    faults = []
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path)), skipinitialspace=True) if row]
    except csv.Error as error:
        raise InputError(f"{path}: broken table ({error}); {_TABLE}") from error
    known = {name.casefold(): i for i, name in enumerate(ANNOTATED.names)} | {"void": VOID}
    for number, row in enumerate(rows[1:], start=2):
        color = _color(row[1:4])
        train_id = known.get(row[0].strip().casefold())
        if color is None or train_id is None:
            faults.append(
                f"{path}: line {number} is {','.join(row)[:60]!r}, expected a class of CamVid and its r,g,b; {_TABLE}"
            )
        elif colors.setdefault(color, train_id) != train_id:
            faults.append(f"{path}: line {number} gives the colour of another class to {row[0].strip()}; {_TABLE}")
    if missing := set(range(len(ANNOTATED))) - set(colors.values()):
        named = ", ".join(ANNOTATED.names[i] for i in sorted(missing))
        faults.append(f"{path}: no colour for {named}; {_TABLE}")
    if faults:
        raise InputError(*grouped(faults))
    return colors


_TABLE = "use the table of all 32 classes that came with the images, or remove the file to use the official colours"


def _color(fields: list[str]) -> Color | None:
    try:
        red, green, blue = map(int, fields)
    except ValueError:
        return None
    return (red, green, blue) if max(red, green, blue) < 256 and min(red, green, blue) >= 0 else None
