from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.files import write_text
from engine.images import UInt8Array, write_png

SIZES = ((96, 64), (90, 61), (101, 66))
"""Width and height; the official images differ in size too."""

CALIBRATION = """P0: 1 0 0 0 0 1 0 0 0 0 1 0
P2: 60 0 48 1.5 0 60 20 0.25 0 0 1 0.003
R0_rect: 0.9999 0.0098 -0.0074 -0.0098 0.9999 -0.0042 0.0074 0.0043 0.9999
Tr_cam_to_road: 0.9999 -0.0055 -0.0074 0.0096 0.0054 0.9999 -0.0111 -1.6 0.0075 0.011 0.9999 0.28
"""


def truth(width: int, height: int, margin: float) -> UInt8Array:
    """A road that narrows to the horizon, in the official colours; the sky is not judged."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[rows > height // 4, 0] = 255
    pixels[abs(columns - width / 2) < (rows - height / 3) * margin, 2] = 255
    return pixels


def draw(root: Path, *, trained: int, tested: int) -> None:
    """A small data_road in the official layout; grey roads on green."""
    for part, number in (("training", trained), ("testing", tested)):
        for place, category in enumerate(("um", "umm", "uu")):
            for frame in range(number):
                width, height = SIZES[(frame + place) % len(SIZES)]
                road = truth(width, height, 0.8)
                image = np.where(road[..., 2:] > 0, 90, np.array([20, 120, 30])).astype(np.uint8)
                write_png(root / part / "image_2" / f"{category}_{frame:06}.png", image)
                write_text(root / part / "calib" / f"{category}_{frame:06}.txt", CALIBRATION)
                if part == "training":
                    write_png(root / part / "gt_image_2" / f"{category}_road_{frame:06}.png", road)
                if part == "training" and category == "um":
                    lane = truth(width, height, 0.4)
                    write_png(root / part / "gt_image_2" / f"um_lane_{frame:06}.png", lane)


@pytest.fixture
def road_root(tmp_path: Path) -> Path:
    """A small synthetic data_road, as each test likes to damage it."""
    root = tmp_path / "data_road"
    draw(root, trained=6, tested=2)
    return root


Ending = Callable[..., str]


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]) -> Ending:
    """Run a command that must end with code 2, and give what it said on stderr."""

    def run_command(main: Callable[[list[str]], int], *arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        message = capsys.readouterr().err
        assert "Traceback" not in message
        return message

    return run_command
