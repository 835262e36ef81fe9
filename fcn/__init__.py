"""Networks; they know torch and no benchmark.

`docs/api.md` shows `load_network`, `predict` and `read_history`. The other names are those of the original FCN8s
repository. Each name is imported when it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalogue.api import load_network, predict, read_history
    from engine.training.losses import FocalLoss
    from fcn.compatibility import compute_batch_metrics, convert_trainid_mask, evaluate, train_one_epoch
    from fcn.fcn import FCN8s

__all__ = [
    "FCN8s",
    "FocalLoss",
    "compute_batch_metrics",
    "convert_trainid_mask",
    "evaluate",
    "load_network",
    "predict",
    "read_history",
    "train_one_epoch",
]

_MODULES = {
    "FCN8s": "fcn.fcn",
    "FocalLoss": "engine.training.losses",
    **dict.fromkeys(("load_network", "predict", "read_history"), "catalogue.api"),
}
"""Name -> the module that has it; the others are in `fcn.compatibility`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(_MODULES.get(name, "fcn.compatibility")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
