"""Kernels and CUDA graphs on a GPU, compared with torch's kernels."""

import pytest
import torch
from torch import nn

import catalogue
from engine.checkpoints import About
from engine.devices.process import find_process
from engine.errors import InputError
from engine.inference.network import NetworkSegmenter
from engine.kernels.choose import Kernels

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def forward(name: str, precision: str, kernels: Kernels, factor: float = 1.0) -> NetworkSegmenter:
    torch.manual_seed(0)
    network = catalogue.network(name, 19)
    for key, value in network.state_dict().items():
        if key.startswith("score") and key.endswith("weight"):
            nn.init.normal_(value, std=0.1 * factor)
    about = About.untrained(name, 19, "cityscapes")
    process = find_process("gpu", precision)
    return NetworkSegmenter(process, network, about, catalogue.benchmark("cityscapes"), kernels=kernels)


def random_image(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, device="cuda").permute(2, 0, 1)[None]


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
@pytest.mark.parametrize("name", ["fcn8s", "fcn16s_vgg16", "fcn8s_paper_at_once", "unet"])
def test_predictions_by_kernels_equal_torchs(name: str, precision: str) -> None:
    exact, plain, kernels = (
        forward(name, *how) for how in (("32-true", "torch"), (precision, "torch"), (precision, "triton"))
    )
    for size in ((512, 1024), (375, 500)):
        image = random_image(*size)
        expected = exact(image)
        agreement = [(one(image) == expected).float().mean().item() for one in (plain, kernels)]
        assert agreement[1] > agreement[0] - 0.002, "kernels come as near to float32 as torch's do"
        assert agreement[1] > (0.99 if precision == "16-mixed" else 0.95)


def test_replayed_predictions_equal_those_of_the_first_images() -> None:
    made = forward("fcn8s", "16-mixed", "triton")
    images = [random_image(256, 512) for _ in range(8)]
    first = made(images[0])
    ids = [made(image) for image in images]
    assert made._cuda_graphs is not None
    assert len(made._cuda_graphs._graphs) == 1
    assert (ids[0] == first).float().mean() > 0.999
    again = [made(image) for image in images]
    assert all(torch.equal(*pair) for pair in zip(ids[3:], again[3:], strict=True))
    assert not torch.equal(ids[6], ids[7])
    made.require_finite()
    made.release()


def test_the_finite_check_works_within_a_graph() -> None:
    made = forward("fcn8s", "16-mixed", "triton", factor=1e9)
    for _ in range(2):
        made(random_image(64, 64))
    made._finite.fill_(True)
    for _ in range(3):
        made(random_image(64, 64))
    made._finite.fill_(True)
    made(random_image(64, 64))
    with pytest.raises(InputError, match="beyond 65504"):
        made.require_finite()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_pooling_and_its_gradient_equal_torchs(dtype: torch.dtype) -> None:
    from engine.kernels.pool_relu import pool_relu, reference

    given = torch.randn(2, 96, 65, 48, device="cuda").to(dtype).contiguous(memory_format=torch.channels_last)
    images = [given.clone().requires_grad_() for _ in range(2)]
    results = reference(images[0], False), pool_relu(images[1], False)[0]
    assert torch.equal(*results)
    gradient = torch.randn_like(results[0])
    for result in results:
        result.backward(gradient)
    assert images[0].grad is not None
    assert images[1].grad is not None
    assert torch.equal(images[0].grad, images[1].grad)
