import pytest
import torch
from torch.nn import functional

from engine.faults import InputError
from engine.losses import LOSSES, CrossEntropy, Dice, FocalLoss, HardPixels, LovaszSoftmax, build_loss

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


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"focal_over_void"}))
def test_void_pixels_change_nothing(name: str) -> None:
    loss, other = LOSSES[name](255), LOGITS.clone()
    other.permute(0, 2, 3, 1)[WITH_VOID == 255] = 7.0
    assert torch.allclose(loss(LOGITS, WITH_VOID), loss(other, WITH_VOID), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_loses_next_to_nothing(name: str) -> None:
    perfect = 50 * functional.one_hot(MASK, 4).permute(0, 3, 1, 2).float()
    right, wrong = (LOSSES[name](255)(logits, MASK) for logits in (perfect, perfect.roll(1, dims=1)))
    assert right < wrong
    if name != "smooth_cross_entropy":
        assert right < 1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_following_the_gradient_lowers_the_loss(name: str) -> None:
    loss, logits = LOSSES[name](255), LOGITS.clone().requires_grad_()
    before = loss(logits, WITH_VOID)
    before.backward()
    assert logits.grad is not None
    assert loss(logits.detach() - 0.1 * logits.grad, WITH_VOID) < before


def test_weights_and_smoothing_are_those_of_torch() -> None:
    weight = torch.tensor([0.1, 1.0, 2.0, 0.5])
    expected = functional.cross_entropy(LOGITS, WITH_VOID, weight=weight, ignore_index=255)
    assert torch.allclose(CrossEntropy(255, weight)(LOGITS, WITH_VOID), expected)
    expected = functional.cross_entropy(LOGITS, WITH_VOID, ignore_index=255, label_smoothing=0.1)
    assert torch.allclose(CrossEntropy(255, label_smoothing=0.1)(LOGITS, WITH_VOID), expected)


def test_hard_pixels_are_the_hardest() -> None:
    pixels = functional.cross_entropy(LOGITS, MASK, reduction="none").flatten().sort(descending=True).values
    assert torch.allclose(HardPixels(confident=0.0, at_least=0.25)(LOGITS, MASK), pixels[:15].mean())
    confident = pixels[pixels > -torch.log(torch.tensor(0.7))]
    assert torch.allclose(HardPixels()(LOGITS, MASK), confident.mean())


def test_dice_by_hand() -> None:
    mask = torch.tensor([[[0, 0, 1, 255]]])
    logits = torch.tensor([0.0, 0.0, 0.0, 9.0]).view(1, 1, 1, 4).expand(1, 2, 1, 4)  # one half everywhere
    assert Dice()(logits, mask) == pytest.approx(1 - (2 * 1 / 3.5 + 2 * 0.5 / 2.5) / 2)


def test_lovasz_of_a_hard_prediction_is_one_minus_iou() -> None:
    predicted = torch.randint(0, 4, MASK.shape, generator=torch.Generator().manual_seed(4))
    logits = 1e4 * functional.one_hot(predicted, 4).permute(0, 3, 1, 2).float()
    iou = [
        ((predicted == number) & (number == MASK)).sum() / ((predicted == number) | (number == MASK)).sum()
        for number in range(4)
    ]
    assert torch.allclose(LovaszSoftmax()(logits, MASK), 1 - torch.stack(iou).mean(), atol=1e-6)


def test_losses_add_up() -> None:
    both = build_loss("cross_entropy+dice", 255)(LOGITS, WITH_VOID)
    assert torch.allclose(both, CrossEntropy()(LOGITS, WITH_VOID) + Dice()(LOGITS, WITH_VOID))
    with pytest.raises(InputError, match="no loss hinge; choose from"):
        build_loss("dice+hinge", 255)
