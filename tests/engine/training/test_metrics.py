import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score, multiclass_jaccard_index

from engine.training.metrics import ConfusionMatrix

CLASSES = 5


def random_batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, CLASSES, (2, 31, 17), generator=random)
    wrong = torch.rand(mask.shape, generator=random) < 0.4
    prediction = torch.where(wrong, torch.randint(0, CLASSES, mask.shape, generator=random), mask)
    mask[torch.rand(mask.shape, generator=random) < 0.2] = 255
    return prediction, mask


@pytest.mark.parametrize("seed", range(4))
def test_equals_torchmetrics(seed: int) -> None:
    prediction, mask = random_batch(seed)
    matrix = ConfusionMatrix(CLASSES)
    for one in range(len(mask)):
        matrix.update(prediction[one], mask[one])
    metrics = matrix.reduce()

    def reference(function: object, average: str) -> float:
        return function(  # type: ignore[operator,no-any-return]
            prediction, mask, num_classes=CLASSES, average=average, ignore_index=255
        ).item()

    assert metrics.miou == pytest.approx(reference(multiclass_jaccard_index, "macro"), abs=1e-6)
    assert metrics.mean_dice == pytest.approx(reference(multiclass_f1_score, "macro"), abs=1e-6)
    assert metrics.mean_pixel_accuracy == pytest.approx(reference(multiclass_accuracy, "macro"), abs=1e-6)
    assert metrics.pixel_accuracy == pytest.approx(reference(multiclass_accuracy, "micro"), abs=1e-6)


def test_figures_worked_out_by_hand() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 255]]))
    metrics = matrix.reduce()
    assert metrics.iou[:2] == [0.5, 0.5]
    assert math.isnan(metrics.iou[2])
    assert metrics.miou == 0.5  # the class in neither is left out
    assert metrics.pixel_accuracy == pytest.approx(2 / 3)
    assert metrics.mean_pixel_accuracy == 0.75
    assert metrics.mean_dice == pytest.approx(2 / 3)


def test_a_class_that_is_predicted_but_absent_counts_zero() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert matrix.reduce().iou == [0.5, 0.0]


def test_no_class_predicted_is_a_miss_but_not_a_false_positive() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([0, 2, 255, 1]), torch.tensor([0, 0, 0, 1]))
    metrics = matrix.reduce()
    assert metrics.iou == [pytest.approx(1 / 3), 1.0]
    assert metrics.pixel_accuracy == 0.5


def test_void_alone_has_no_score() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([0, 1]), torch.tensor([255, 255]))
    assert math.isnan(matrix.reduce().miou)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_counts_alike_without_waiting() -> None:
    prediction, mask = random_batch(0)
    expected, matrix = ConfusionMatrix(CLASSES), ConfusionMatrix(CLASSES, device="cuda")
    expected.update(prediction, mask)
    prediction, mask = prediction.cuda(), mask.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        matrix.update(prediction, mask)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(matrix.counts.cpu(), expected.counts)
