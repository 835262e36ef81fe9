import pytest
import torch

from engine import packing


class Refusing:
    """As the operator is for bf16 where the processor has no arithmetic for it."""

    @staticmethod
    def default(*_: object) -> torch.Tensor:
        raise RuntimeError("mkldnn_reorder_conv2d_weight: bf16 path needs the cpu support")


@pytest.mark.parametrize("known", ["all", "no operators", "no halves"])
@pytest.mark.parametrize(("groups", "rows"), [(1, 64), (36, 64), (36, 7)])
def test_packed_matrices_give_the_same(known: str, groups: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if known == "no operators":
        monkeypatch.setattr(packing, "_REORDER", "_no_such_operator")
    if known == "no halves":
        monkeypatch.setattr(torch.ops.mkldnn, packing._REORDER, Refusing())
    matrices, added, values = torch.randn(groups, 24, 16), torch.randn(groups, 24), torch.randn(rows, groups, 16)
    with torch.inference_mode():
        result = packing.packed(matrices, added, rows=64)(values.flatten(1))
    expected = torch.einsum("goi,ngi->ngo", matrices, values) + added
    assert torch.allclose(result, expected.flatten(1), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this build of torch is without oneDNN")
def test_torch_still_has_the_operators() -> None:
    """Without them predictions on CPUs are right, but take longer."""
    assert all(hasattr(torch.ops.mkldnn, name) for name in (packing._REORDER, packing._APPLY))
