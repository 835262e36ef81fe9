from pathlib import Path

import numpy as np
import pytest
import torch

from engine import image_counts
from engine.benchmark import ClassTable, Sample
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from engine.scoring import ScorerConfig, score, table
from engine.training.metrics import ConfusionMatrix
from tests.unreadable import refused

COLORS = ((0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 4))
CONFIG = ScorerConfig(ClassTable(("a", "b", "c", "d"), COLORS), "_preds.png", read_ids, "write class ids")  # type: ignore[arg-type]


def draw(folder: Path, images: int) -> list[Sample]:
    """Masks with void and without class d, and predictions that are right, wrong or no class."""
    random = np.random.default_rng(0)
    samples = []
    for number in range(images):
        mask = random.choice([0, 1, 2, 255], (9, 13)).astype(np.uint8)
        prediction = np.where(random.random(mask.shape) < 0.6, mask, random.choice([0, 1, 255], mask.shape))
        sample = Sample(f"city/{number}", folder / "no.png", folder / "masks" / f"{number}.png")
        write_png(folder / "masks" / f"{number}.png", mask)
        write_png(folder / "predictions" / "city" / f"{number}_preds.png", prediction.astype(np.uint8))
        samples.append(sample)
    return samples


@pytest.mark.parametrize("workers", [1, 2])
def test_equals_the_metrics_of_training(tmp_path: Path, workers: int) -> None:
    samples = draw(tmp_path, 5)
    scores = score(CONFIG, samples, tmp_path / "predictions", workers=workers)
    matrix = ConfusionMatrix(4)
    for sample in samples:
        assert sample.mask is not None
        prediction = read_ids(tmp_path / "predictions" / f"{sample.name}_preds.png")
        matrix.update(torch.tensor(prediction), torch.tensor(read_ids(sample.mask)))
    metrics = matrix.reduce()
    assert scores.summary() == pytest.approx(metrics.summary(), abs=1e-12)
    assert np.array_equal(scores.confusion, matrix.counts.numpy())
    assert scores.iou == pytest.approx(metrics.iou, nan_ok=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_counts_of_the_images_add_up_to_the_scores(tmp_path: Path, workers: int) -> None:
    scores = score(CONFIG, draw(tmp_path, 5), tmp_path / "predictions", workers=workers)
    content = scores.to_json()
    images = image_counts.from_json(content["counts"], 4)
    assert [image.stem for image in images] == [str(number) for number in range(5)]
    assert image_counts.total_scores(images) == pytest.approx(scores.iou, nan_ok=True, abs=0)
    low, high = content["miou_interval"]
    assert low < content["miou"] < high
    assert f"mean IoU {100 * low:.1f} to {100 * high:.1f} in 95% of 2000 resamples of 5 images" in table(scores)


def test_a_class_that_does_not_occur_has_no_score(tmp_path: Path) -> None:
    scores = score(CONFIG, draw(tmp_path, 2), tmp_path / "predictions")
    assert scores.to_json()["classes"]["d"] == {"iou": None, "dice": None, "pixel_accuracy": None}
    assert "mean of 3" in table(scores)
    assert "d              -      -         -" in table(scores)


def test_the_dataframe_has_the_scores_of_classes_and_their_means(tmp_path: Path) -> None:
    scores = score(CONFIG, draw(tmp_path, 2), tmp_path / "predictions")
    frame = scores.to_dataframe()
    assert frame["class"].tolist() == ["a", "b", "c", "d", "mean"]
    assert frame["IoU"].tolist()[:4] == pytest.approx(scores.iou.tolist(), nan_ok=True, abs=0)
    summary = scores.summary()
    expected = [summary[name] for name in ("miou", "mean_dice", "mean_pixel_accuracy")]
    assert frame.iloc[-1, 1:].tolist() == pytest.approx(expected, abs=0)


def test_every_fault_is_reported(tmp_path: Path) -> None:
    samples = draw(tmp_path, 6)
    folder = tmp_path / "predictions" / "city"
    (folder / "0_preds.png").unlink()
    (folder / "1_preds.png").write_bytes(b"")
    write_png(folder / "2_preds.png", np.zeros((4, 4), np.uint8))
    write_png(folder / "3_preds.png", np.full((9, 13), 7, np.uint8))
    write_png(folder / "again" / "4_preds.png", np.zeros((9, 13), np.uint8))
    with pytest.raises(InputError) as caught:
        score(CONFIG, samples, tmp_path / "predictions")
    text = str(caught.value)
    for part in (
        "0_preds.png: no such prediction",
        "1_preds.png: the file is empty",
        "2_preds.png: the prediction is 4 x 4, its mask 13 x 9",
        "3_preds.png: id 7 on 117 pixels, expected 0 to 3 (or 255 for no class); write class ids",
        "2 files 4_preds.png; keep one",
    ):
        assert part in text


def test_many_faults_of_a_kind_are_counted(tmp_path: Path) -> None:
    samples = draw(tmp_path, 30)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError) as caught:
        score(CONFIG, samples, tmp_path / "none")
    assert len(caught.value.messages) == 6
    assert caught.value.messages[-1] == "and 25 more like these; predict every image of the split"


def test_masks_of_only_void_are_reported(tmp_path: Path) -> None:
    samples = draw(tmp_path, 1)
    write_png(tmp_path / "masks" / "0.png", np.full((9, 13), 255, np.uint8))
    with pytest.raises(InputError, match="has a class"):
        score(CONFIG, samples, tmp_path / "predictions")


def test_predictions_in_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    samples = draw(tmp_path, 2)
    with refused(tmp_path / "predictions" / "city"), pytest.raises(InputError, match="cannot list this folder"):
        score(CONFIG, samples, tmp_path / "predictions")


@pytest.mark.parametrize(
    ("official", "expected"),
    [
        (None, "over 2 images"),
        (2, "over 2 images, as in the official split"),
        (101, "over 2 images, not the official 101: do not compare with published scores"),
    ],
)
def test_deviations_from_the_official_split_are_reported(tmp_path: Path, official: int | None, expected: str) -> None:
    scores = score(CONFIG, draw(tmp_path, 2), tmp_path / "predictions", official=official)
    assert table(scores).endswith(expected)
    assert scores.to_json()["official_images"] == official


def test_predictions_that_are_not_scored_get_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = draw(tmp_path, 6)
    score(CONFIG, samples[:2], tmp_path / "predictions")
    assert capsys.readouterr().err == (
        f"warning: {tmp_path / 'predictions'}: 4 files not scored, because no image of this split has that name "
        "(2_preds.png, 3_preds.png, 4_preds.png, ...)\n"
    )
