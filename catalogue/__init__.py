"""Catalogue of networks and benchmarks by name.

Each name is imported when it is used: the benchmarks need no torch, so that the report starts without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalogue.benchmarks import BENCHMARKS, benchmark
    from catalogue.networks import NETWORKS, network

__all__ = ["BENCHMARKS", "NETWORKS", "benchmark", "network"]

_MODULES = {
    **dict.fromkeys(("BENCHMARKS", "benchmark"), "catalogue.benchmarks"),
    **dict.fromkeys(("NETWORKS", "network"), "catalogue.networks"),
}
"""Name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
