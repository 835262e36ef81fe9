"""Kernels compiled without a GPU, because the interpreter accepts code that the compiler may refuse."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

pytest.importorskip("triton")
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile  # noqa: A004

from engine.kernels import epilogue, first_block, ids, pool_relu, scores

TARGET = GPUTarget("cuda", 80, 32)


class Case(NamedTuple):
    kernel: Any
    pointers: tuple[str, ...]
    """Types of the pointers and floats among the arguments."""
    sizes: int
    constants: tuple[int, ...]
    multiplies: bool


CASES = {
    "first block": Case(
        first_block._first_block, ("*u8", "*fp16", "*fp32", "*fp32", "*fp32", "*fp16"), 9, (64, 2, 64, 64), True
    ),
    "bias, ReLU": Case(epilogue._epilogue, ("*fp16", "*fp32", "*fp16"), 5, (256, 1, 16, 128), False),
    "bias, pooling, ReLU": Case(epilogue._epilogue, ("*bf16", "*fp32", "*bf16"), 5, (256, 2, 16, 128), False),
    "scores": Case(
        scores._scores,
        ("*fp16", "*fp16", "*fp32", "fp32", "*fp16", "*fp16", "*fp16"),
        9,
        (256, 19, 2, 64, 64, 32, 128),
        True,
    ),
    "ids": Case(ids._ids, ("*fp16", "*fp16", "*u8", "*i1", "*u8"), 9, (19, 8, 64, 64, 128), True),
    "ids in bf16": Case(ids._ids, ("*bf16", "*bf16", "*u8", "*i1", "*u8"), 9, (2, 8, 64, 64, 16), True),
    "pooling, ReLU": Case(pool_relu._forward, ("*bf16", "*bf16", "*u8"), 5, (64, 32, 64), False),
    "its gradient": Case(pool_relu._backward, ("*bf16", "*u8", "*bf16"), 7, (64, 32, 64), False),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_kernels_compile_for_gpus(case: Case) -> None:
    names: list[str] = case.kernel.arg_names
    types = [*case.pointers, *["i32"] * case.sizes, *["constexpr"] * len(case.constants)]
    first = len(types) - len(case.constants)
    source = ASTSource(
        fn=case.kernel,
        signature=dict(zip(names, types, strict=True)),
        constexprs={(first + index,): value for index, value in enumerate(case.constants)},
        attrs={(index,): [["tt.divisibility", 16]] for index, kind in enumerate(types) if kind.startswith("*")},
    )
    build: Callable[..., Any] = compile
    built = build(source, target=TARGET, options={"num_stages": 2})
    assert built.asm["cubin"]
    assert ("mma.sync" in built.asm["ptx"]) == case.multiplies
    assert built.metadata.shared <= 100 << 10, "more than smaller GPUs have"
