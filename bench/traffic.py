"""Counts kernel launches and bytes of a prediction and a training step on fake tensors; no GPU is needed.

Usage: `python -m bench traffic`.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.as_written import relu_first
from bench.fake_gpu import DEVICE, fake_gpu, fake_image

SIZE = (1024, 2048)
BATCH, CROP = 16, 1024
COUNTED = (
    "each operation that torch dispatches, except views, counts as one launch, and its tensors as read or written "
    "once; the bias of a convolution counts as a separate launch, as on a GPU. Not counted: second reads of a kernel "
    "(for example in batch normalisation during training), workspaces, and savings by caches"
)
_NO_LAUNCH = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view", "lift_fresh"}
_WRITE_ONLY = {"copy_", "fill_", "zero_"}
_PRODUCTS = {"convolution", "convolution_backward", "mm", "addmm", "bmm"}


class Traffic(TorchDispatchMode):
    """Counts launches and bytes by the name of the operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":  # a query about a tensor, not work
            return func(*args, **kwargs)
        with self:  # inference mode does not decompose composite operations
            if (result := func.decompose(*args, **kwargs)) is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        name = func._schema.name.partition("::")[2]
        if name not in _NO_LAUNCH and not _is_view(func):
            self.launches[name] += 1
            self.bytes[name] += _moved(func, name, args, kwargs, result)
            if name == "convolution" and args[2] is not None:
                self.launches["bias of a convolution"] += 1
                self.bytes["bias of a convolution"] += 2 * _size(result)
        return result

    def record(self) -> dict[str, Any]:
        """The counts as JSON content."""
        elementwise = sum(size for name, size in self.bytes.items() if name not in _PRODUCTS)
        return {
            "launches": sum(self.launches.values()),
            "gigabytes": round(sum(self.bytes.values()) / 1e9, 3),
            "gigabytes_without_products": round(elementwise / 1e9, 3),
            "by_operation": {
                name: [self.launches[name], round(size / 1e9, 4)] for name, size in self.bytes.most_common()
            },
        }


def _is_view(func: Any) -> bool:
    returns = func._schema.returns
    return bool(returns) and all(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def _moved(func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    """Bytes that an operation reads and writes."""
    moved, written = 0, set()
    given = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
    for argument in func._schema.arguments:
        tensors = [leaf for leaf in tree_leaves(given.get(argument.name)) if isinstance(leaf, torch.Tensor)]
        writes = argument.alias_info is not None and argument.alias_info.is_write
        for tensor in tensors:
            if writes:
                moved += _size(tensor)
                written.add(id(tensor))
            if not writes or (name not in _WRITE_ONLY and not argument.is_out):
                moved += _size(tensor)
    new = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and id(leaf) not in written]
    return moved + sum(map(_size, new))


def _size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's elements; those that are shared along an expanded dimension count once."""
    shared = [side for side, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride != 0]
    return torch.Size(shared).numel() * tensor.element_size()


def pooling_kernels(network: nn.Module) -> nn.Module:
    """Change a network to do pooling and ReLU in one kernel."""
    from engine.kernels.pooling import use_pooling_kernels

    use_pooling_kernels(network)
    return network


def as_trained(network: nn.Module) -> nn.Module:
    """Change a network as `engine.training.learner` does on a GPU: also drop biases before batch normalisation."""
    from engine.layers import drop_biases

    drop_biases(network)
    return pooling_kernels(network)


def original_prediction() -> dict[str, Any]:
    """Count a prediction of the original network as written, in float32 and contiguous memory."""
    from fcn.fcn import FCN8s

    network = relu_first(FCN8s(19)).eval().requires_grad_(False)
    with fake_gpu(), torch.device(DEVICE):
        network = network.to(DEVICE)
        mean, std = torch.empty(3, 1, 1), torch.empty(3, 1, 1)
        image = fake_image(*SIZE).contiguous()
        traffic = Traffic()
        with traffic:
            scaled = image.to(torch.float32).div_(255)
            network(scaled.sub(mean).div_(std)).argmax(1)
    return traffic.record()


def our_prediction(**options: Any) -> dict[str, Any]:
    """Count a prediction of `NetworkSegmenter` in fp16, without a CUDA graph; `options` go to it."""
    import catalogue
    from engine.checkpoints import About
    from engine.devices.process import Process
    from engine.inference.network import NetworkSegmenter

    about = About.untrained("fcn8s", 19, "cityscapes")
    network = catalogue.network("fcn8s", 19).to(memory_format=torch.channels_last)
    with fake_gpu():
        forward = NetworkSegmenter(
            Process(DEVICE, "16-mixed"), network, about, catalogue.benchmark("cityscapes"), **options
        )
        traffic = Traffic()
        with traffic:
            forward(fake_image(*SIZE))
    return traffic.record()


def training_step(change: Callable[[nn.Module], nn.Module] = lambda network: network) -> dict[str, Any]:
    """Count a training step in bf16: normalisation, forward pass, loss and backward pass, no optimiser, no metrics."""
    from engine.normalization import Normalize
    from engine.training.losses import build_loss
    from fcn.fcn import FCN8s

    network = change(FCN8s(19)).train().to(memory_format=torch.channels_last)
    normalize, loss_of = Normalize(), build_loss("cross_entropy", 255)
    with FakeTensorMode(allow_non_fake_inputs=True):  # on a CPU, because backward passes of fake CUDA tensors fail
        images = torch.empty(BATCH, 3, CROP, CROP, dtype=torch.uint8)
        masks = torch.empty(BATCH, CROP, CROP, dtype=torch.int64)
        traffic = Traffic()
        with traffic:
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(normalize(images))
            loss_of(logits.float(), masks).backward()
    return traffic.record()


def run(samples: Path) -> dict[str, Any]:
    """Count all predictions and training steps; no real data is needed."""
    del samples
    return {
        "what": f"FCN-8s on VGG11-BN, 19 classes: a prediction of {SIZE[0]} x {SIZE[1]} from uint8 pixels to ids, and "
        f"a training step of {BATCH} crops of {CROP} x {CROP} in bf16, cross entropy",
        "counted": COUNTED,
        "prediction": {
            "original as written, float32": original_prediction(),
            "fp16, torch's kernels": our_prediction(kernels="torch"),
            "fp16, our kernels": our_prediction(kernels="triton"),
        },
        "training_step": {
            "ReLU, then pooling": training_step(relu_first),
            "pooling, then ReLU": training_step(),
            "both by our kernel": training_step(pooling_kernels),
            "as trained: and no bias before batch norm": training_step(as_trained),
        },
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {part.replace('_', ' '):<14} {name:<42} {found['launches']:4} launches "
        f"{found['gigabytes']:8.2f} GB, {found['gigabytes_without_products']:7.2f} without matrix products"
        for part in ("prediction", "training_step")
        for name, found in record[part].items()
    ]
    return "\n".join([record["what"], *rows, f"  ({record['counted']})"])
