"""What the official scorer does not have: single images, intervals, borders, confusion and comparison."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityscapes.layout import Scene
from cityscapes.scoring import boundary, confusion, images, main, measure
from cityscapes.scoring.counts import SCORED, Masks
from engine.files.images import write_png

Mask = npt.NDArray[np.uint8]
CLASSES = np.flatnonzero(SCORED)


def patches(rng: np.random.Generator, size: tuple[int, int], share: float = 1.0) -> Mask:
    """Squares of scored labels, and of any label where a share of less than one is asked for."""
    cells = (-(-size[0] // 8), -(-size[1] // 8))
    ids = np.where(rng.random(cells) < share, rng.choice(CLASSES[:8], cells), rng.integers(0, 34, cells))
    return ids.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight scenes under data/, and predictions under good/ and bad/ that differ in how many pixels are wrong."""
    rng = np.random.default_rng(1)
    for number in range(8):
        scene = Scene("val", "ulm", f"ulm_{number:06}_000019")
        label_ids = patches(rng, (40, 64), share=0.9)
        write_png(scene.official_mask(tmp_path / "data", "labelIds"), label_ids)
        write_png(scene.official_mask(tmp_path / "data", "instanceIds"), label_ids.astype(np.uint16))
        for name, wrong in (("good", 0.1), ("bad", 0.4)):
            noise = rng.random(label_ids.shape) < wrong
            write_png(tmp_path / name / f"{scene.stem}.png", np.where(noise, 7, label_ids).astype(np.uint8))
    return tmp_path


def argv(data: Path, name: str = "good", *more: str) -> list[str]:
    return ["--predictions", str(data / name), "--root", str(data / "data"), "--workers", "1", *more]


def test_the_areas_of_images_add_up_to_the_scores(data: Path) -> None:
    result = measure(data / "good", data / "data", "val")
    hits, unions = (sum(getattr(image, part) for image in result.images) for part in ("hits", "union"))
    ious = [result.scores.classes[name] for name in images.NAMES]
    np.testing.assert_allclose(
        [hit / union if union else math.nan for hit, union in zip(hits, unions, strict=True)], ious
    )
    assert [image.stem for image in result.images] == [f"ulm_{number:06}_000019" for number in range(8)]


def test_the_interval_holds_the_mean_and_is_the_same_every_time(data: Path) -> None:
    result = measure(data / "good", data / "data", "val")
    low, high = images.interval(result.images)
    assert low < result.to_json()["averageScoreClasses"] < high
    assert images.interval(result.images) == (low, high)
    assert images.interval(result.images[:1]) == pytest.approx([images.mean_score(result.images[0])] * 2)


def test_an_interval_of_nothing_is_nothing() -> None:
    blank = images.areas("ulm_000000_000019", np.zeros((34, 34), np.int64))
    assert math.isnan(images.mean_score(blank))
    assert all(map(math.isnan, images.interval([blank])))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    distance=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_edges_are_those_of_an_erosion(size: tuple[int, int], distance: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 3, size).repeat(3, 0).repeat(3, 1).astype(np.uint8)
    padded = np.pad(ids.astype(int), distance, constant_values=-1)
    side = 2 * distance + 1
    expected = np.array(
        [
            [(padded[y : y + side, x : x + side] != ids[y, x]).any() for x in range(ids.shape[1])]
            for y in range(len(ids))
        ]
    )
    np.testing.assert_array_equal(boundary.near_edge(ids, distance), expected)


def test_borders_count_as_masks_of_each_class_do() -> None:
    rng = np.random.default_rng(3)
    true, predicted = patches(rng, (300, 500), share=0.8), patches(rng, (300, 500), share=0.8)
    borders = boundary.borders(Masks(predicted, true, true.astype(np.uint16)))
    distance = round(boundary.DISTANCE * math.hypot(300, 500))
    for label_id in CLASSES:
        in_true = (true == label_id) & boundary.near_edge((true == label_id).astype(np.uint8), distance)
        in_predicted = (predicted == label_id) & boundary.near_edge((predicted == label_id).astype(np.uint8), distance)
        in_predicted &= SCORED[true]
        assert borders.hits[label_id] == np.count_nonzero(in_true & in_predicted)
        assert borders.union[label_id] == np.count_nonzero(in_true | in_predicted)


def test_boundary_iou_is_one_for_a_perfect_prediction_and_lower_than_iou_elsewhere(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label_ids = patches(np.random.default_rng(0), (40, 64))
    perfect = boundary.borders(Masks(label_ids, label_ids, label_ids.astype(np.uint16))).scores()
    assert set(np.array(list(perfect.values()))[~np.isnan(list(perfect.values()))]) == {1.0}
    assert main(argv(data, "good", "--boundary", "--output", str(data / "scores.json"))) == 0
    assert "boundary IoU" in capsys.readouterr().out
    assert set(json.loads((data / "scores.json").read_text())["boundaryScores"]) == set(images.NAMES)


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


def test_the_confusion_table_has_percent_of_rows() -> None:
    matrix = np.zeros((34, 34), np.int64)
    matrix[7, [7, 8, 0]] = 90, 8, 2
    rows = confusion.table(matrix).splitlines()
    assert rows[1].split() == ["road", "90", "8", *["."] * 17, "2"]
    assert rows[2].split() == ["sidewalk", *["-"] * 20]
    np.testing.assert_allclose(confusion.shares(matrix)[0].sum(), 100)


def test_results_are_compared_by_class(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("good", "bad"):
        assert main(argv(data, name, "--output", str(data / f"{name}.json"))) == 0
    capsys.readouterr()
    assert main(["--compare", str(data / "bad.json"), str(data / "good.json")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"A  {data / 'bad.json'}"
    assert sum(line.startswith(images.NAMES) for line in told) >= 19
    (mean,) = (line for line in told if line.startswith("mean  "))
    before, after, gain = map(float, mean.split()[1:4])
    assert gain == pytest.approx(after - before, abs=0.11)
    assert gain > 0
    assert told[-1].endswith("8 images: more than chance")
    assert main(["--compare", str(data / "good.json"), str(data / "good.json")]) == 0
    assert capsys.readouterr().out.endswith("may be chance\n")


def test_a_result_of_the_official_scorer_is_compared_without_an_interval(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = measure(data / "good", data / "data", "val")
    (data / "official.json").write_text(json.dumps(result.scores.to_json()))
    assert main(["--compare", str(data / "official.json"), str(data / "official.json")]) == 0
    assert "no interval: both files must have been written by this command" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "{", "[]", '{"classScores": {"unicorn": 1}, "classInstScores": {}}'])
def test_a_file_that_is_no_result_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    assert main(["--compare", str(path), str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: ")


def test_something_must_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "give --predictions DIR, or --compare" in capsys.readouterr().err


def test_matplotlib_is_imported_only_for_pictures() -> None:
    program = "import sys, cityscapes.scoring; raise SystemExit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


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
    for images_there in (50, 500):
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
            cwd=Path(__file__).parents[2],
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 16 * 1024, "in KiB; one image kept whole is 512"
