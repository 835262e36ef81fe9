import hashlib
import math
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.arrays import Float64Array
from engine.errors import InputError
from engine.files.images import read_image
from kitti_road.birds_eye import COLUMNS, ROWS, homography, lookup, warp

# Results of the official tools for images of 1242 x 375.
HOMOGRAPHIES = {
    "testing/calib/umm_000023.txt": [
        [721.2935155188428, 609.5430693958746, -121.02150542373857],
        [-20.01322106822992, 173.7225256072512, 1060.943093262851],
        [5.529264566029118e-05, 0.999999287745939, -0.28626173887336814],
    ],
    "training/calib/um_000051.txt": [
        [721.1387755774474, 609.5676292302338, -121.07321036797748],
        [-26.582156346108206, 176.2053259662707, 1031.2054028132088],
        [0.0001507382712079279, 0.9999892137671571, -0.2858298664678472],
    ],
    "training/calib/um_000000.txt": [
        [721.4073690265021, 609.6736439273776, -120.95160753239807],
        [-11.085497664247024, 177.69973687548494, 1101.1443136547],
        [-7.439434100186319e-05, 0.9999774089845492, -0.2868455702838672],
    ],
}
LOOKUPS = {
    "testing/calib/umm_000023.txt": (307787, "5bf26ec0377339b4f6a68a54ea1f15053a58799e22be6635f664c42c2f9eadd5"),
    "training/calib/um_000051.txt": (307740, "eec8d6810191aacf83afb38a7956af9f0865d81169bfa3717618ed9d4023eaf8"),
    "training/calib/um_000000.txt": (307362, "f818660d4e770f70557e8a4729b8d70e6ec07e07fe198c1647e42e8716bcd8f3"),
}
WARPED = [
    (
        "testing/image_2/umm_000023",
        "testing/calib/umm_000023",
        "0d6bd1e932d292164169abeea41c527fdbaecdf875642b17b50de791b0aa822a",
    ),
    (
        "testing/image_2/umm_000024",
        "testing/calib/umm_000024",
        "4af21e5ffac31eab13ead7e3496effca89fd55080c8f8dc727cdd9fe4b84455a",
    ),
    (
        "training/image_2/um_000000",
        "training/calib/um_000051",
        "02f4ff028afd6d5b86c031628ac3716c56d5b4dd229d4ef610d0bd2e86895dd1",
    ),
    (
        "training/gt_image_2/um_road_000000",
        "training/calib/um_000051",
        "3c46b0b100d4d3a4e15be2ced89164e238df07e928f7b2a842c029aaddaa6778",
    ),
    (
        "training/image_2/um_000000",
        "training/calib/um_000000",
        "aa263e961178d5d94d5db1eb8778167aa07b7eda688019451be6ac6a1627d62b",
    ),
]


def digest(pixels: npt.NDArray[np.generic]) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


@pytest.mark.parametrize("name", LOOKUPS)
def test_the_lookup_is_the_official_one(name: str) -> None:
    indices = lookup(np.array(HOMOGRAPHIES[name]), 1242, 375)
    assert ((indices >= 0).sum(), digest(indices.astype("<i4"))) == LOOKUPS[name]


@pytest.mark.parametrize("name", HOMOGRAPHIES)
def test_the_homography_is_the_official_one(name: str, real_data: Path) -> None:
    plane = homography(real_data / "kitti_road" / "data_road" / name)
    np.testing.assert_allclose(plane, HOMOGRAPHIES[name], rtol=1e-9)


@pytest.mark.parametrize(("image", "calibration", "expected"), WARPED)
def test_the_warp_is_the_official_one(image: str, calibration: str, expected: str, real_data: Path) -> None:
    root = real_data / "kitti_road" / "data_road"
    pixels = read_image(root / f"{image}.png")
    indices = lookup(homography(root / f"{calibration}.txt"), pixels.shape[1], pixels.shape[0])
    assert digest(warp(pixels, indices)) == expected


def spot(plane: Float64Array, row: int, column: int, width: int, height: int) -> int:
    """The lookup of one cell, step by step."""
    x = float(np.float32(-10 + 0.05 * (column + 0.5)))
    z = float(np.float32(46 - 0.05 * (row + 0.5)))
    u, v, w = (float(line[0]) * x + float(line[1]) * z + float(line[2]) for line in plane)
    u, v = u / w, v / w
    if not (1 <= u <= width and 1 <= v <= height):
        return -1
    return (math.floor(v) - 1) * width + math.floor(u) - 1


@settings(max_examples=8, deadline=None)
@given(
    st.floats(30, 900), st.floats(0, 400), st.floats(0, 200), st.floats(-0.2, 0.2),
    st.integers(1, 500), st.integers(1, 400), st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_lookup_projects_each_cell(
    focal: float, across: float, down: float, tilt: float, width: int, height: int, random: Random
) -> None:
    plane = np.array([[focal, across, 0.3], [tilt, down, focal * 1.6], [0.0001, 1, -0.3]])
    indices = lookup(plane, width, height)
    assert indices.shape == (ROWS, COLUMNS)
    assert indices.max() < width * height
    for _ in range(200):
        row, column = int(random.random() * ROWS), int(random.random() * COLUMNS)
        assert indices[row, column] == spot(plane, row, column, width, height)


def test_cells_outside_the_image_get_the_given_value() -> None:
    indices = np.array([[0, -1], [3, 2]], np.int32)
    pixels = np.array([[5, 6], [7, 8]], np.uint8)
    assert warp(pixels, indices, 255).tolist() == [[5, 255], [8, 7]]
    assert warp(np.stack([pixels] * 3, 2), indices).tolist() == [[[5] * 3, [0] * 3], [[8] * 3, [7] * 3]]


def test_the_homography_follows_from_the_calibration(tmp_path: Path) -> None:
    """A camera 2 m above the road that looks straight ahead."""
    path = tmp_path / "c.txt"
    path.write_text(
        "P2: 10 0 4 0 0 10 3 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_cam_to_road: 1 0 0 0 0 1 0 -2 0 0 1 0\n"
    )
    assert homography(path).tolist() == [[10, 4, 0], [0, 3, 20], [0, 1, 0]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("P2: 1 2\nR0_rect: a b\n", ["P2: got 2 values", "R0_rect: got 2 values", "Tr_cam_to_road: got no such line"]),
        ("P2:" + " 1" * 12 + "\nR0_rect:" + " 1" * 9 + "\nTr_cam_to_road:" + " 0" * 12, ["cannot be inverted"]),
        (
            "P2:" + " 1" * 11 + " nan\nR0_rect:" + " 1" * 8 + " inf\nTr_cam_to_road:" + " 1" * 12,
            ["P2: got 12 values, expected 12 finite numbers", "R0_rect: got 9 values, expected 9 finite numbers"],
        ),
        (
            ("P2:" + " 1" * 12 + "\n") * 2 + "R0_rect:" + " 1" * 9 + "\nTr_cam_to_road:" + " 1" * 12,
            ["P2: got 2 such lines"],
        ),
        ("\udcff", ["not UTF-8 text"]),
        (None, ["no such file, but the bird's-eye view needs the calibration of every image"]),
    ],
)
def test_all_faults_of_a_calibration_are_reported(tmp_path: Path, content: str | None, expected: list[str]) -> None:
    path = tmp_path / "um_000000.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError) as caught:
        homography(path)
    assert len(caught.value.messages) == len(expected)
    for message, part in zip(caught.value.messages, expected, strict=True):
        assert message.startswith(str(path))
        assert part in message
