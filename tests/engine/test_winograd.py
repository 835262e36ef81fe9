import pytest
import torch
from torch.nn import functional

from engine.winograd import matrices


@pytest.mark.parametrize("points", [(0, 1), (0, 1, -1, 2, -2), (0, 1, -1, 2, -2, 0.5, -0.5)])
def test_products_at_points_give_the_convolution(points: tuple[float, ...]) -> None:
    into, filters, back = matrices(*points)
    pixels = torch.randn(len(into), len(into), dtype=torch.float64)
    weights = torch.randn(3, 3, dtype=torch.float64)
    products = (filters @ weights @ filters.T) * (into @ pixels @ into.T)
    expected = functional.conv2d(pixels[None, None], weights[None, None])[0, 0]
    assert expected.shape == (len(back), len(back))
    assert torch.allclose(back @ products @ back.T, expected, atol=1e-10)


def test_the_matrices_of_four_are_the_published_ones() -> None:
    """Lavin and Gray 2016, section 4.3, but for the scale of a row, which the filters' takes back."""
    into, _, back = matrices(0, 1, -1, 2, -2)
    assert into.tolist() == [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    assert back.tolist() == [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
