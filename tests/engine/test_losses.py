import pytest
import torch
from torch.nn import functional

from engine.losses import LOSSES, CrossEntropy, FocalLoss

LOGITS = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(1))
MASK = torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(2))
WITH_VOID = torch.where(torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(3)) < 0.5, 255, MASK)


def test_cross_entropy_averages_over_valid_pixels() -> None:
    expected = functional.cross_entropy(LOGITS, WITH_VOID, ignore_index=255)
    assert torch.allclose(CrossEntropy()(LOGITS, WITH_VOID), expected)


def test_summed_cross_entropy_is_the_mean_times_the_number_of_valid_pixels() -> None:
    valid = (WITH_VOID != 255).sum()
    summed = LOSSES["cross_entropy_sum"](255)(LOGITS, WITH_VOID)
    assert torch.allclose(summed, CrossEntropy()(LOGITS, WITH_VOID) * valid)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_but_void_is_no_loss_and_no_gradient(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = LOSSES[name](255)(logits, torch.full_like(MASK, 255))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    assert torch.allclose(FocalLoss(alpha=1, gamma=0)(LOGITS, WITH_VOID), CrossEntropy()(LOGITS, WITH_VOID))


def test_focal_loss_is_the_formula_of_its_paper() -> None:
    p = LOGITS.softmax(1).gather(1, MASK[:, None])[:, 0]
    expected = (-0.25 * (1 - p) ** 2 * p.log()).mean()
    assert torch.allclose(FocalLoss()(LOGITS, MASK), expected)
    assert torch.allclose(FocalLoss(size_average=False)(LOGITS, MASK), expected * MASK.numel())


def test_counting_void_in_the_mean_dilutes_the_loss() -> None:
    valid = (WITH_VOID != 255).float().mean()
    diluted = FocalLoss(average_void=True)(LOGITS, WITH_VOID)
    assert torch.allclose(diluted, FocalLoss()(LOGITS, WITH_VOID) * valid)
