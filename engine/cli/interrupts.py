"""Ctrl-C, or a package that is not installed, while a command is still importing: one line in place of a traceback.

Commands import this module before all others, because what follows takes seconds and may be absent. After Ctrl-C the
process ends by SIGINT, as Python's do; without a package that it needs, with the exit code of bad input.
"""

import sys
from types import TracebackType

_EXTRAS = {
    "train": (*("lightning_fabric", "openvino", "pynvml", "scipy", "tensorboard", "torch", "torchvision", "triton"),),
    "export": ("onnx", "onnxruntime", "onnxscript"),
}
"""Extra of the installation -> the packages that only it brings."""


def missing(error: BaseException) -> str | None:
    """The message for a package of an extra that is not installed, None for any other error."""
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
        raise SystemExit(2)  # Python takes it from here, as from any code
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report
