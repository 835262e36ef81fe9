"""Cityscapes: labels, ground truth, data set, scoring, submission, and a synthetic data set.

Importing this package does not import torch, so the tools that do not need it start quickly.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cityscapes.compatibility import CityScapes, get_transforms

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401

__all__ = ["CityScapes", "get_transforms"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from cityscapes import compatibility

        return getattr(compatibility, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
