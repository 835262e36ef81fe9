"""What the files of charts hold."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def texts(path: Path) -> list[str]:
    """The texts of an SVG, which must be text and not outlines."""
    return ["".join(found.itertext()).strip() for found in ET.parse(path).iter(f"{SVG}text")]


def width(path: Path) -> float:
    """Printed width of an SVG in inches."""
    return float(ET.parse(path).getroot().attrib["width"].removesuffix("pt")) / 72


def font_sizes(path: Path) -> set[float]:
    """Font sizes in an SVG, in points of the printed width."""
    return {float(size) for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", path.read_text())}
