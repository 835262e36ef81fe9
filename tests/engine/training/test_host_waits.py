"""A training step never makes the host wait for a GPU, and never uses a host tensor.

Without a GPU, on fake tensors of a CUDA device: they have shapes and no content, so whatever asks for content (a
boolean index, `nonzero`, `item`) raises. What passes here may be captured in a CUDA graph as far as that can be seen
without a GPU. A backward pass does not run on fake CUDA tensors; it asks for no content that the forward did not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.data.device_augmentation import DeviceAugmentation
from engine.data.transforms import AUGMENTATIONS
from engine.normalization import Normalize
from engine.training.losses import CROSS_ENTROPIES, LOSSES, build_loss
from engine.training.metrics import ConfusionMatrix
from fcn.fcn import FCN8s

CLASSES, VOID = 19, 255
WAITS = (DynamicOutputShapeException, DataDependentOutputException)


class HostTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operation that takes or returns a host tensor."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(func))
        return result


@contextmanager
def fake_cuda() -> Iterator[HostTensors]:
    """Context of CUDA tensors without content; fails if a host tensor is used with them."""
    host = HostTensors()
    with FakeTensorMode(), torch.device("cuda"), host:
        yield host
    assert not host.found


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty(2, CLASSES, 32, 48, requires_grad=True), torch.empty(2, 32, 48, dtype=torch.int64)


def boolean_index(logits: torch.Tensor, mask: torch.Tensor) -> object:
    return logits[:, 0][mask != VOID]


def value(logits: torch.Tensor, _: torch.Tensor) -> object:
    return logits.sum().item()


def branch(logits: torch.Tensor, mask: torch.Tensor) -> object:
    return logits if (mask != VOID).any() else mask


@pytest.mark.parametrize("wait", [boolean_index, value, branch])
def test_waiting_is_detected(wait: Callable[[torch.Tensor, torch.Tensor], object]) -> None:
    with pytest.raises(WAITS), fake_cuda():
        wait(*batch())


def test_a_host_tensor_is_detected() -> None:
    with pytest.raises(AssertionError), fake_cuda():
        torch.empty(3) * torch.tensor(2.0, device="cpu")


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_makes_the_host_wait(name: str) -> None:
    with fake_cuda():
        loss = build_loss(name, VOID)(*batch())
        assert loss.shape == ()
        assert loss.is_cuda
        assert loss.requires_grad


@pytest.mark.parametrize("name", [*CROSS_ENTROPIES, "cross_entropy+dice+lovasz"])
def test_class_weights_and_label_smoothing_do_not_make_the_host_wait(name: str) -> None:
    with fake_cuda():
        assert build_loss(name, VOID, torch.empty(CLASSES), 0.1)(*batch()).is_cuda


def test_counting_pixels_does_not_make_the_host_wait() -> None:
    with fake_cuda():
        logits, mask = batch()
        matrix = ConfusionMatrix(CLASSES, VOID, "cuda")
        matrix.update(logits.argmax(1), mask)
        matrix.update(logits.argmax(1), mask.to(torch.uint8))
        assert matrix.counts.is_cuda


def augmented(name: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.empty(7, 3, 40, 60, dtype=torch.uint8)
    masks = torch.empty(7, 40, 60, dtype=torch.uint8)
    augmentation = DeviceAugmentation(name, size, VOID)
    return augmentation(images, masks, torch.empty(4, augmentation.columns))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_does_not_make_the_host_wait(name: str) -> None:
    with fake_cuda():
        images, masks = augmented(name, 64)
        assert (images.shape, masks.shape) == ((4, 3, 64, 64), (4, 64, 64))
        assert images.dtype == masks.dtype == torch.uint8
        assert images.is_cuda
        assert masks.is_cuda


def test_augmentation_stays_in_float32_under_autocast() -> None:
    """In bfloat16, augmentation would round images to multiples of two."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1, 3, 40, 60), dtype=torch.uint8, generator=random)
    masks = torch.zeros(1, 40, 60, dtype=torch.uint8)
    augmentation = DeviceAugmentation("default", 32, VOID)
    rows = torch.from_numpy(augmentation.draw(0, 40, 60, 1))[None]
    with torch.autocast("cpu", torch.bfloat16):
        under, _ = augmentation(images, masks, rows)
    assert torch.equal(under, augmentation(images, masks, rows)[0])


def test_a_whole_step_does_not_make_the_host_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """From resident data to the loss and the confusion matrix, in bfloat16."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, **__: True)
    with fake_cuda() as host:
        network, normalize = FCN8s(CLASSES).train(), Normalize()
        host.found.clear()  # building is not part of the step
        images, masks = augmented("original", 64)
        with torch.autocast("cuda", torch.bfloat16):
            logits = network(normalize(images)).float()
        masks = masks.long()
        loss = build_loss("cross_entropy+ohem+lovasz+dice", VOID)(logits, masks)
        ConfusionMatrix(CLASSES, VOID, "cuda").update(logits.detach().argmax(1), masks)
        assert loss.is_cuda
        assert logits.shape == (4, CLASSES, 64, 64)
