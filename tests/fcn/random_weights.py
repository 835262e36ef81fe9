"""Random weights for the reference implementations of networks."""

import torch

Weights = dict[str, torch.Tensor]

SIZES = [(37, 53), (64, 48)]
TOLERANCE = 1e-4
CLASSES = 4


def random_convolution(channels_in: int, channels_out: int, size: int, gain: float = 2.0) -> Weights:
    deviation = (gain / (channels_in * size * size)) ** 0.5
    return {
        "weight": torch.randn(channels_out, channels_in, size, size).mul_(deviation),
        "bias": 0.1 * torch.randn(channels_out),
    }


def random_norm(channels: int) -> Weights:
    return {
        "weight": 0.5 + torch.rand(channels),
        "bias": 0.1 * torch.randn(channels),
        "running_mean": 0.1 * torch.randn(channels),
        "running_var": 0.5 + torch.rand(channels),
        "num_batches_tracked": torch.tensor(3),
    }


def named(prefix: str, layer: Weights) -> Weights:
    return {f"{prefix}.{key}": value for key, value in layer.items()}


def assert_equal_logits(got: torch.Tensor, expected: torch.Tensor) -> None:
    assert got.shape == expected.shape
    assert expected.std() > 0.1, "a comparison of nothing"
    assert (got - expected).abs().max() < TOLERANCE
