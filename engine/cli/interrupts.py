"""One line instead of a traceback for Ctrl-C or a missing package while a command is importing.

Commands import this module before all others, because the other imports take seconds and may fail. After Ctrl-C the
process ends by SIGINT, as Python processes do; without a required package it ends with the exit code of invalid input.
"""

import sys
from types import TracebackType

_EXTRAS = {
    "train": (
        "lightning_fabric",
        "openvino",
        "pynvml",
        "safetensors",
        "scipy",
        "tensorboard",
        "torch",
        "torchvision",
        "triton",
    ),
    "export": ("onnx", "onnxruntime", "onnxscript"),
}
"""Extra of the installation -> packages that only this extra installs."""


def missing(error: BaseException) -> str | None:
    """The message for a package of an extra that is not installed; None for all other errors."""
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        for extra, packages in _EXTRAS.items():
            if package in packages:
                return f'this command needs {package}, which is not installed: pip install "cityscapes-fcn[{extra}]"'
    return None


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted before anything was done", file=sys.stderr)
    elif message := missing(error):
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2)  # Python handles it like any exit
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report
