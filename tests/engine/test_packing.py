import pytest
import torch
from torch.nn import functional

from engine import packing


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("groups", "pixels"), [(1, 64), (36, 64), (36, 7)])
def test_packed_weights_give_the_same(known: bool, groups: int, pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if not known:
        monkeypatch.setattr(packing, "_OPERATORS", ("_no_such_operator",))
    weight, bias = torch.randn(24 * groups, 16, 1, 1), torch.randn(24 * groups)
    image = torch.randn(1, pixels, 1, 16 * groups).permute(0, 3, 1, 2)
    with torch.inference_mode():
        result = packing.packed(weight, bias, groups, pixels=64)(image)
        expected = functional.conv2d(image, weight, bias, groups=groups)
    assert torch.allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this build of torch is without oneDNN")
def test_torch_still_has_the_operators() -> None:
    """Without them predictions on CPUs are right, but take twice the time."""
    assert all(hasattr(torch.ops.mkldnn, name) for name in packing._OPERATORS)
