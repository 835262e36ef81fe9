import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from bench import traffic
from bench.as_written import relu_first
from bench.traffic import Traffic

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer")


def test_bytes_are_those_of_the_tensors() -> None:
    with FakeTensorMode(), torch.inference_mode():
        image, weight = torch.empty(1, 4, 10, 10), torch.empty(8, 4, 3, 3)
        bias, whole = torch.empty(8), torch.empty(5, 1).expand(5, 100)
        with Traffic() as counted:
            result = functional.conv2d(image, weight, bias, padding=1)
            torch.empty_like(result).copy_(result)
            result.view(-1)[3:].relu_()
            whole.sum()
    assert dict(counted.launches) == {"convolution": 1, "bias of a convolution": 1, "copy_": 1, "relu_": 1, "sum": 1}
    assert dict(counted.bytes) == {
        "convolution": 4 * (400 + 288 + 8 + 800),
        "bias of a convolution": 4 * 2 * 800,
        "copy_": 4 * 2 * 800,
        "relu_": 4 * 2 * 797,
        "sum": 4 * (5 + 1),
    }


def test_a_prediction_stays_below_its_limits_of_launches_and_bytes() -> None:
    """The purpose of the kernels: before, it took 75 launches and 5 GB."""
    ours = traffic.our_prediction(kernels="triton")
    assert ours["launches"] <= 20
    assert ours["gigabytes"] <= 1.3


def test_pooling_first_saves_bytes_of_a_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "BATCH", 1)
    monkeypatch.setattr(traffic, "CROP", 64)
    before, after = traffic.training_step(relu_first), traffic.training_step()
    saved = sum(before["by_operation"][name][1] for name in ("relu_", "threshold_backward"))
    assert after["gigabytes"] < before["gigabytes"]
    assert before["launches"] == after["launches"]
    assert saved > 2 * sum(after["by_operation"][name][1] for name in ("relu_", "threshold_backward"))


def test_a_training_step_moves_a_third_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "BATCH", 2)
    monkeypatch.setattr(traffic, "CROP", 256)
    before, after = traffic.training_step(relu_first), traffic.training_step(traffic.as_trained)
    assert after["gigabytes_without_products"] < 2 / 3 * before["gigabytes_without_products"]
    assert after["launches"] < before["launches"]
