"""Tensors that are not weights of a network are refused, whichever program saved them."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import checkpoints
from engine.errors import InputError

with warnings.catch_warnings(action="ignore"):  # some of these kinds are deprecated in PyTorch
    REFUSED: dict[str, tuple[torch.Tensor, str]] = {
        "float8": (torch.ones(3).to(torch.float8_e4m3fn), "w: float8_e4m3fn"),
        "complex": (torch.ones(3, dtype=torch.complex64), "w: complex64"),
        "uint16": (torch.ones(3, dtype=torch.uint16), "w: uint16"),
        "uint32": (torch.ones(3, dtype=torch.uint32), "w: uint32"),
        "sparse": (torch.ones(3).to_sparse(), "w: sparse_coo"),
        "compressed": (torch.ones(3, 3).to_sparse_csr(), "w: sparse_csr"),
        "meta": (torch.ones(3, device="meta"), "w: on device meta"),
        "quantized": (torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "w: qint8"),
        "nested": (torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), "w: nested"),
        "jagged": (torch.nested.nested_tensor([torch.ones(3)], layout=torch.jagged), "w: nested"),
        "expanded": (torch.ones(1).expand(10**13), "more numbers than it stores"),
        "NaN": (torch.tensor([1.0, float("nan"), 2.0]), "NaN or infinite"),
        "infinite": (torch.tensor([1.0, float("-inf")]), "NaN or infinite"),
        "half NaN": (torch.tensor([float("nan")]).half(), "NaN or infinite"),
        "beyond float32": (torch.tensor([1e200], dtype=torch.float64), "NaN or infinite in float32"),
    }


def test_tensors_that_are_not_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for kind, (tensor, message) in REFUSED.items():
        torch.save({"fine": torch.ones(2), "w": tensor}, path)
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            checkpoints.load(path)
        assert len(caught.value.messages) == 1, kind
        assert str(path) in str(caught.value), kind


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_of_any_width_and_counters_are_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = {"w": torch.ones(3, 2, dtype=dtype).t(), "empty": torch.ones(0), "seen": torch.tensor(5)}
    torch.save(weights, tmp_path / "x.pth")
    assert all(map(torch.equal, checkpoints.load(tmp_path / "x.pth").weights.values(), weights.values()))


@pytest.mark.parametrize(
    "content",
    [
        {},
        [torch.ones(1)],
        {1: torch.ones(1)},
        {"a": 1},
        {"a": torch.ones(1), "module.a": torch.ones(1)},
        {"weights": {1: torch.ones(2)}},
        torch.ones(3),
        None,
    ],
)
def test_content_that_is_not_a_state_dict(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match="expected a state dict: names and tensors"):
        checkpoints.load(tmp_path / "x.pth")
