"""Cityscapes: labels, ground truth, data set, scoring, submission, and a synthetic data set.

`docs/api.md` shows the functions. Each name is imported when it is used. Only `CityScapes` and `get_transforms`, names
of the original FCN8s repository, import torch, so the tools that do not need it start quickly.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cityscapes.api import check, colorize, compare, draw_masks, pack, score, to_label_ids, to_train_ids
    from cityscapes.compatibility import CityScapes, get_transforms
    from cityscapes.labels import CLASSES, LABELS

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401

__all__ = [
    "CLASSES",
    "LABELS",
    "CityScapes",
    "check",
    "colorize",
    "compare",
    "draw_masks",
    "get_transforms",
    "pack",
    "score",
    "to_label_ids",
    "to_train_ids",
]

_MODULES = {
    **dict.fromkeys(("CLASSES", "LABELS"), "cityscapes.labels"),
    **dict.fromkeys(("CityScapes", "get_transforms"), "cityscapes.compatibility"),
}
"""Name -> the module that has it; the others are in `cityscapes.api`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(_MODULES.get(name, "cityscapes.api")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
