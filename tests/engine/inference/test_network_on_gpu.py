"""Forward pass on fake CUDA tensors: devices, dtypes, shapes and memory formats, without a GPU."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import catalogue
from bench.fake_gpu import DEVICE, fake_gpu, fake_image
from engine.checkpoints import About
from engine.devices.process import Process
from engine.errors import InputError
from engine.inference.network import NetworkSegmenter
from engine.kernels.choose import Kernels, choose_kernels

pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the data pointer"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),  # torch 2.11's compiler
]


class Recorder(TorchDispatchMode):
    """Records operations, and tensors on other devices or in other memory formats."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []
        self.faults: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func)
        self.operations.append(name)
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, torch.Tensor) and tensor.device != DEVICE:
                self.faults.append(f"{name}: {tensor.device}")
        if "convolution" in name and not result.is_contiguous(memory_format=torch.channels_last):
            self.faults.append(f"{name}: {result.stride()}")
        return result


@pytest.fixture(autouse=True)
def on_fake_gpu() -> Iterator[None]:
    with fake_gpu():
        yield


def build(name: str, precision: str = "16-mixed", **more: Any) -> NetworkSegmenter:
    torch.manual_seed(0)
    about = About.untrained(name, 19, "cityscapes")
    with unset_fake_temporarily():
        network = catalogue.network(name, 19).to(memory_format=torch.channels_last)
    return NetworkSegmenter(Process(DEVICE, precision), network, about, catalogue.benchmark("cityscapes"), **more)


@pytest.mark.parametrize("kernels", ["triton", "torch"])
@pytest.mark.parametrize(("name", "precision"), [("fcn8s", "16-mixed"), ("fcn8s", "bf16-mixed"), ("unet", "16-mixed")])
def test_everything_is_on_the_gpu_in_that_precision(name: str, precision: str, kernels: Kernels) -> None:
    forward = build(name, precision, kernels=kernels)
    with Recorder() as recorder:
        ids = forward(fake_image(96, 130))
        logits = forward.logits(fake_image(96, 130))
    assert (ids.shape, ids.dtype, ids.device) == ((96, 130), torch.uint8, DEVICE)
    half = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}[precision]
    assert (logits.shape, logits.dtype, logits.device) == ((1, 19, 96, 130), half, DEVICE)
    assert recorder.faults == []
    assert any("engine" in name for name in recorder.operations) == (kernels == "triton")


def test_weights_are_cast_once() -> None:
    forward = build("fcn8s", kernels="torch")
    with Recorder() as recorder:
        forward(fake_image(64, 64))
    casts = [name for name in recorder.operations if "_to_copy" in name]
    assert len(casts) <= 1  # of the image
    kept = {
        type(layer) for layer in forward._network.modules() for p in layer.parameters(False) if p.dtype != torch.half
    }
    assert kept == set()


def test_exact_predictions_and_networks_that_are_not_fusible_stay_as_written() -> None:
    forward = build("fcn8s", "32-true", exact=True)
    assert forward._coarse_scorer is None is forward._upsample_to_ids
    with unset_fake_temporarily():
        network = nn.Conv2d(3, 19, 3, padding=1)
    about = About.untrained("some", 19, "cityscapes")
    forward = NetworkSegmenter(Process(DEVICE, "16-mixed"), network, about, catalogue.benchmark("cityscapes"))
    assert network.weight.dtype == torch.float32
    assert forward.logits(fake_image(32, 32)).dtype == torch.float16


def test_auto_uses_tritons_kernels_on_recent_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_kernels("auto", DEVICE, torch.float16)
    assert not choose_kernels("auto", DEVICE, torch.float32)
    assert not choose_kernels("torch", DEVICE, torch.float16)
    assert not choose_kernels("auto", torch.device("cpu"), torch.bfloat16)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda *_: (7, 5))
    assert not choose_kernels("auto", DEVICE, torch.float16)


def test_torchs_kernels_run_where_tritons_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr("engine.kernels.epilogue.bias_relu_", fail)
    assert not choose_kernels("auto", DEVICE, torch.float16)
    assert "do not run here, so predictions take longer: Failed to find C compiler" in capsys.readouterr().err
    with pytest.raises(InputError, match="Failed to find C compiler"):
        choose_kernels("triton", DEVICE, torch.float16)


def test_without_triton_torchs_kernels_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not choose_kernels("auto", DEVICE, torch.float16)


@pytest.mark.parametrize("kernels", ["triton", "torch"])
def test_a_prediction_is_one_graph_for_the_compiler(kernels: Kernels) -> None:
    forward = build("fcn8s", kernels=kernels)
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(len(inputs))
        return graph.forward

    torch._dynamo.reset()
    finite = torch.ones((), dtype=torch.bool, device=DEVICE)
    with torch.inference_mode():
        found = torch.compile(forward._to_ids, backend=backend, fullgraph=True)(fake_image(64, 96), finite)
    assert (found.shape, len(graphs)) == ((64, 96), 1)


def test_predictions_continue_when_no_graph_can_be_captured(capsys: pytest.CaptureFixture[str]) -> None:
    """No graph can be captured here, without a GPU."""
    forward = build("fcn8s", kernels="torch")
    for _ in range(5):
        assert forward(fake_image(64, 96)).shape == (64, 96)
    assert capsys.readouterr().err.count("no CUDA graph could be captured") == 1


def test_a_budget_or_compilation_excludes_cuda_graphs() -> None:
    assert build("fcn8s", kernels="torch", search=False)._cuda_graphs is None
    assert build("fcn8s", compiled=True)._cuda_graphs is None
