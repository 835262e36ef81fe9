import pytest
import torch

from engine import packing


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("groups", "rows"), [(1, 64), (36, 64), (36, 7)])
def test_packed_matrices_give_the_same(known: bool, groups: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if not known:
        monkeypatch.setattr(packing, "_OPERATORS", ("_no_such_operator",))
    matrices, added, values = torch.randn(groups, 24, 16), torch.randn(groups, 24), torch.randn(rows, groups, 16)
    with torch.inference_mode():
        result = packing.packed(matrices, added, rows=64)(values.flatten(1))
    expected = torch.einsum("goi,ngi->ngo", matrices, values) + added
    assert torch.allclose(result, expected.flatten(1), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this build of torch is without oneDNN")
def test_torch_still_has_the_operators() -> None:
    """Without them predictions on CPUs are right, but take longer."""
    assert all(hasattr(torch.ops.mkldnn, name) for name in packing._OPERATORS)
