"""Features that the official scorer lacks: single images, intervals, borders, confusion and comparison."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cityscapes.layout import Scene
from cityscapes.scoring import main, measure
from cityscapes.scoring.pixel import confusion, images
from engine import image_counts
from engine.files.images import write_png
from tests.cityscapes.drawn_predictions import argv, patches


def test_the_counts_of_images_add_up_to_the_scores(data: Path) -> None:
    result = measure(data / "good", data / "data", "val")
    hits, unions = (sum(getattr(image, part) for image in result.images) for part in ("hits", "union"))
    ious = [result.scores.classes[name] for name in images.NAMES]
    np.testing.assert_allclose(
        [hit / union if union else math.nan for hit, union in zip(hits, unions, strict=True)], ious
    )
    assert [image.stem for image in result.images] == [f"ulm_{number:06}_000019" for number in range(8)]


def test_the_interval_holds_the_mean_and_is_the_same_every_time(data: Path) -> None:
    result = measure(data / "good", data / "data", "val")
    low, high = image_counts.interval(result.images)
    assert low < result.to_json()["averageScoreClasses"] < high
    assert image_counts.interval(result.images) == (low, high)
    assert image_counts.interval(result.images[:1]) == pytest.approx([image_counts.mean_score(result.images[0])] * 2)


def test_the_interval_without_scores_is_nan() -> None:
    blank = images.count("ulm_000000_000019", np.zeros((34, 34), np.int64))
    assert math.isnan(image_counts.mean_score(blank))
    assert all(map(math.isnan, image_counts.interval([blank])))


def test_details_are_written(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv(data, "bad", "--details", str(data / "details"))) == 0
    assert "images.csv" in capsys.readouterr().out
    with (data / "details/images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert [float(row["mean"]) for row in rows] == sorted(float(row["mean"]) for row in rows)
    matrix = measure(data / "bad", data / "data", "val").scores.confusion
    with (data / "details/confusion.csv").open() as file:
        header, *lines = csv.reader(file)
    assert [[int(cell) for cell in line[1:]] for line in lines] == matrix.tolist()
    assert header[8] == lines[7][0] == "road"
    assert (data / "details/confusion.txt").read_text() == confusion.table(matrix) + "\n"
    with Image.open(data / "details/confusion.png") as picture:
        assert picture.width > 800


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    mask = patches(np.random.default_rng(0), (256, 512))
    write_png(tmp_path / "ids.png", mask)
    write_png(tmp_path / "instances.png", mask.astype(np.uint16))
    program = (
        "import resource, sys; from pathlib import Path; from cityscapes.scoring import measure; "
        "measure(Path(sys.argv[1]) / 'predictions', Path(sys.argv[1]) / 'data', 'val'); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for images_there in (20, 100):
        for number in range(images_there):
            scene = Scene("val", "ulm", f"ulm_{number:06}_000019")
            for source, place in (
                ("ids.png", tmp_path / f"{images_there}/predictions/{scene.stem}.png"),
                ("ids.png", scene.official_mask(tmp_path / f"{images_there}/data", "labelIds")),
                ("instances.png", scene.official_mask(tmp_path / f"{images_there}/data", "instanceIds")),
            ):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.hardlink_to(tmp_path / source)
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / str(images_there))],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[4],
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 16 * 1024, "in KiB; one image kept whole is 512"
