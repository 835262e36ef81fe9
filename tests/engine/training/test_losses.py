from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from engine.errors import InputError
from engine.training.losses import CROSS_ENTROPIES, LOSSES, CrossEntropy, Dice, FocalLoss, OhemCrossEntropy, build_loss
from engine.training.lovasz import LovaszSoftmax

LOGITS = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(1))
MASK = torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(2))
WITH_VOID = torch.where(torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(3)) < 0.5, 255, MASK)
WEIGHT = torch.tensor([0.1, 1.0, 2.0, 0.5, 3.0, 0.7])


def test_cross_entropy_averages_over_valid_pixels() -> None:
    expected = functional.cross_entropy(LOGITS, WITH_VOID, ignore_index=255)
    assert torch.allclose(CrossEntropy()(LOGITS, WITH_VOID), expected)


def test_summed_cross_entropy_is_the_mean_times_the_number_of_valid_pixels() -> None:
    valid = (WITH_VOID != 255).sum()
    summed = LOSSES["cross_entropy_sum"](255)(LOGITS, WITH_VOID)
    assert torch.allclose(summed, CrossEntropy()(LOGITS, WITH_VOID) * valid)


@pytest.mark.parametrize("name", LOSSES)
def test_void_alone_gives_zero_loss_and_gradient(name: str) -> None:
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


def test_ohem_keeps_the_hardest_pixels() -> None:
    pixels = functional.cross_entropy(LOGITS, MASK, reduction="none").flatten().sort(descending=True).values
    assert torch.allclose(OhemCrossEntropy(threshold=0.0, min_kept=0.25)(LOGITS, MASK), pixels[:15].mean())
    hard = pixels[pixels > -torch.log(torch.tensor(0.7))]
    assert torch.allclose(OhemCrossEntropy()(LOGITS, MASK), hard.mean())


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


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_label_smoothing_is_that_of_torch(name: str) -> None:
    reduction = "sum" if name == "cross_entropy_sum" else "mean"
    expected = functional.cross_entropy(
        LOGITS, WITH_VOID, weight=WEIGHT[:4], ignore_index=255, label_smoothing=0.1, reduction=reduction
    )
    loss = build_loss(f"{name}+dice", 255, WEIGHT[:4], 0.1)(LOGITS, WITH_VOID)
    assert torch.allclose(loss, expected + Dice()(LOGITS, WITH_VOID))


def test_losses_refuse_what_they_do_not_support() -> None:
    with pytest.raises(InputError) as caught:
        build_loss("ohem+dice", 255, WEIGHT, 0.1)
    assert [message.partition(";")[0] for message in caught.value.messages] == [
        "--loss ohem+dice: does not support class weights",
        "--loss ohem+dice: does not support label smoothing",
    ]


def test_losses_add_up() -> None:
    both = build_loss("cross_entropy+dice", 255)(LOGITS, WITH_VOID)
    assert torch.allclose(both, CrossEntropy()(LOGITS, WITH_VOID) + Dice()(LOGITS, WITH_VOID))
    with pytest.raises(InputError, match="no loss hinge; choose from"):
        build_loss("dice+hinge", 255)


# The same losses, written with the valid pixels only, so that shapes depend on the data.


def valid_pixels(logits: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (valid, C) and classes (valid,)."""
    return logits.softmax(1).permute(0, 2, 3, 1)[mask != 255], mask[mask != 255]


def plain_ohem(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    pixels = functional.cross_entropy(logits, mask, ignore_index=255, reduction="none")
    pixels = pixels[mask != 255].sort(descending=True).values
    if not len(pixels):
        return logits.sum() * 0
    hard = int((pixels > -torch.log(torch.tensor(0.7))).sum())
    return pixels[: max(hard, int(len(pixels) / 16), 1)].mean()


def plain_dice(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    probability, truth = valid_pixels(logits, mask)
    if not len(truth):
        return logits.sum() * 0
    classes = functional.one_hot(truth, logits.shape[1])
    ratio = 2 * (probability * classes).sum(0) / (probability.sum(0) + classes.sum(0))
    return 1 - ratio[classes.any(0)].mean()


def plain_lovasz(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    probability, truth = valid_pixels(logits, mask)
    losses = []
    for number in sorted({*truth.tolist()}):
        errors, order = ((truth == number).to(probability) - probability[:, number]).abs().sort(descending=True)
        right = (truth == number)[order].to(errors.dtype)
        jaccard = 1 - (right.sum() - right.cumsum(0)) / (right.sum() + (1 - right).cumsum(0))
        losses.append(errors @ torch.cat([jaccard[:1], jaccard.diff()]))
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def plain_weighted(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if not (mask != 255).any():
        return logits.sum() * 0
    return functional.cross_entropy(logits, mask, weight=WEIGHT, ignore_index=255)


PLAIN: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "ohem": plain_ohem,
    "dice": plain_dice,
    "lovasz": plain_lovasz,
    "weighted": plain_weighted,
}
VOID_SHARES = (0.0, 0.3, 0.95, 1.0)


def value_and_gradient(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], logits: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, mask)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def ours(name: str) -> torch.nn.Module:
    return CrossEntropy(255, WEIGHT) if name == "weighted" else LOSSES[name](255)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("void", VOID_SHARES)
@pytest.mark.parametrize("classes", [1, 4], ids="{} classes".format)
@pytest.mark.parametrize("certainty", [0.1, 3.0, 20.0], ids="certainty {}".format)
def test_values_and_gradients_are_those_of_the_valid_pixels(
    name: str, void: float, classes: int, certainty: float
) -> None:
    """Random masks with absent classes, one class, all void, and predictions that are unsure, sure and saturated."""
    for seed in (0, 1, 4):
        random = torch.Generator().manual_seed(seed)
        mask = torch.randint(0, classes, (2, 9, 11), generator=random)
        logits = torch.randn(2, 6, 9, 11, generator=random)
        logits += functional.one_hot(mask, 6).permute(0, 3, 1, 2) * seed
        mask[torch.rand(mask.shape, generator=random) < void] = 255
        value, gradient = value_and_gradient(ours(name), certainty * logits, mask)
        expected, expected_gradient = value_and_gradient(PLAIN[name], certainty * logits, mask)
        assert torch.allclose(value, expected, rtol=1e-5, atol=2e-6)
        assert torch.allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("void", VOID_SHARES)
def test_ties_between_pixels_do_not_change_the_loss(name: str, void: float) -> None:
    """The order of ties may decide the gradient of a pixel, but never the loss or the sum of the gradients."""
    random = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (2, 9, 11), generator=random)
    mask[torch.rand(mask.shape, generator=random) < void] = 255
    for logits in (torch.zeros(2, 6, 9, 11), torch.randint(0, 2, (2, 6, 9, 11), generator=random).float()):
        value, gradient = value_and_gradient(ours(name), logits, mask)
        expected, expected_gradient = value_and_gradient(PLAIN[name], logits, mask)
        assert torch.allclose(value, expected, rtol=1e-5, atol=1e-6)
        assert torch.allclose(gradient.sum((0, 2, 3)), expected_gradient.sum((0, 2, 3)), atol=1e-6)


def test_ohem_keeps_its_share_of_pixels_with_equal_losses() -> None:
    """Ties at the end of the kept share, including easy pixels whose loss is zero."""
    logits = torch.zeros(1, 2, 1, 64)
    logits[:, 0] = 200.0
    mask = torch.zeros(1, 1, 64, dtype=torch.int64)
    assert LOSSES["ohem"](255)(logits, mask) == 0
    logits[..., :2] = 0.0  # two pixels of loss ln 2 exceed the limit, but min_kept is four pixels
    expected = 2 * torch.tensor(2.0).log() / 4
    assert torch.allclose(LOSSES["ohem"](255)(logits, mask), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_is_nan_is_not_hidden(name: str) -> None:
    logits = LOGITS.clone()
    logits[0, 0, 0, 0] = torch.nan
    assert LOSSES[name](255)(logits, MASK).isnan()


def test_lovasz_is_exact_for_millions_of_pixels() -> None:
    """In float32, differences of the Jaccard loss itself would be off by more than the growth of a pixel."""
    random = torch.Generator().manual_seed(0)
    mask = (torch.rand(1, 1, 1 << 19, generator=random) < 0.5).long()
    logits = torch.randn(1, 2, 1, 1 << 19, generator=random)
    _, gradient = value_and_gradient(LovaszSoftmax(), logits, mask)
    _, expected = value_and_gradient(plain_lovasz, logits.double(), mask)
    assert (gradient - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", LOSSES)
def test_a_cuda_graph_holds_a_loss_and_its_gradient(name: str) -> None:
    """Captured with other logits and another mask; a GPU sums in another order."""
    loss = LOSSES[name](255)
    expected, expected_gradient = value_and_gradient(loss, LOGITS, WITH_VOID)
    logits, mask = LOGITS.flip(0).cuda().requires_grad_(), MASK.flip(0).cuda()

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        value = loss(logits, mask)
        return value, *torch.autograd.grad(value, logits)

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        value, gradient = step()
    logits.detach().copy_(LOGITS)
    mask.copy_(WITH_VOID)
    graph.replay()
    assert torch.allclose(value.cpu(), expected, rtol=1e-4)
    assert torch.allclose(gradient.cpu(), expected_gradient, rtol=1e-3, atol=1e-6)
