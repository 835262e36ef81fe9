"""The names of networks and benchmarks: in the catalogue, or the import path of a custom one."""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from engine.benchmark import Benchmark
from engine.errors import InputError

if TYPE_CHECKING:  # benchmarks need no torch
    from torch import nn

T = TypeVar("T")

PROBES = ((64, 64), (65, 97))
"""Heights and widths of the images on which a network is tried; data sets have odd sizes too."""


def is_import_path(name: str) -> bool:
    """Whether a name is an import path and not a name of the catalogue."""
    return "." in name or ":" in name


def choose(table: Mapping[str, T], name: str, flag: str, path: str) -> T:
    """The entry of the catalogue with a name.

    Args:
        table: name -> entry.
        name: of the entry.
        flag: origin of the name, for messages.
        path: form of an import path that is allowed instead, for messages.

    Raises:
        InputError: if there is no such entry.
    """
    if name not in table:
        raise InputError(f"{flag} {name}: unknown name; choose from {', '.join(table)}, or give your own as {path}")
    return table[name]


def network(path: str, num_classes: int, *, flag: str = "--network") -> "nn.Module":
    """Build the network from `package.module:build`, and try it on small images.

    Args:
        path: of a function from the number of classes to a module from (N, 3, H, W) to (N, C, H, W).
        num_classes: C, the expected number of channels.
        flag: origin of the path, for messages.

    Raises:
        InputError: if it cannot be imported or built, or its output has another shape.
    """
    from torch import nn

    flag = f"{flag} {path}"
    if path.partition(":")[0].partition(".")[0] in sys.stdlib_module_names:
        # A weights file names its network, so it must not be able to call functions that exist on every machine.
        raise InputError(
            f"{flag}: a module of Python's standard library; expected your own, for example package.module:build"
        )
    build = _attribute(path, "build", flag)
    if not callable(build):
        raise InputError(f"{flag}: got a {type(build).__name__}; expected a function of the number of classes")
    try:
        built = build(num_classes)
    except Exception as error:
        raise InputError(f"{flag}: cannot be built for {num_classes} classes: {_reason(error)}") from error
    if not isinstance(built, nn.Module):
        raise InputError(f"{flag}: returned a {type(built).__name__}; expected a torch.nn.Module")
    for size in PROBES:
        _try(built, num_classes, size, flag)
    return built


def benchmark(path: str) -> Benchmark:
    """The benchmark in `package.module`: its BENCHMARK, otherwise the only subclass of Benchmark defined there.

    Raises:
        InputError: if there is no such benchmark.
    """
    flag = f"--benchmark {path}"
    module, _, attribute = path.partition(":")
    found = _attribute(path, attribute, flag) if attribute else _benchmark_in(_import(module, flag), flag)
    if isinstance(found, type) and issubclass(found, Benchmark):
        try:
            found = found()
        except TypeError as error:
            raise InputError(f"{flag}: cannot make a {found.__name__}: {_reason(error)}") from error
    if not isinstance(found, Benchmark):
        raise InputError(
            f"{flag}: got a {type(found).__name__}; expected an engine.benchmark.Benchmark or a subclass of it"
        )
    return found


def _benchmark_in(module: Any, flag: str) -> Any:
    if hasattr(module, "BENCHMARK"):
        return module.BENCHMARK
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Benchmark) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise InputError(
            f"{flag}: {len(classes)} subclasses of engine.benchmark.Benchmark are defined in {_file(module)}; "
            "expected one, or BENCHMARK = the one to use"
        )
    return classes[0]


def _attribute(path: str, default: str, flag: str) -> Any:
    module, _, name = path.partition(":")
    imported = _import(module, flag)
    name = name or default
    if not hasattr(imported, name):
        defined = ", ".join(key for key in vars(imported) if not key.startswith("_")) or "nothing"
        raise InputError(f"{flag}: there is no {name} in {_file(imported)}; it defines {defined}")
    return getattr(imported, name)


def _import(module: str, flag: str) -> Any:
    """Import a module that is installed or in the current directory."""
    if os.getcwd() not in sys.path:  # noqa: PTH109  # sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise InputError(
                f"{flag}: there is no module {error.name}; expected it to be installed, or a file in the current "
                f"directory ({os.getcwd()})"  # noqa: PTH109
            ) from error
        raise InputError(f"{flag}: {module} needs {error.name}, which is not installed") from error
    except Exception as error:
        raise InputError(f"{flag}: cannot be imported: {_reason(error)}") from error


def _try(built: "nn.Module", num_classes: int, size: tuple[int, int], flag: str) -> None:
    """Run the network on one black image, and check the shape of its output."""
    import torch

    was_training = built.training
    remedy = (
        "docs/networks.md describes the contract; fcn.padding.Padded helps networks that require multiples of a size"
    )
    try:
        with torch.no_grad():
            logits = built.eval()(torch.zeros(1, 3, *size))
    except Exception as error:
        raise InputError(
            f"{flag}: fails on an image of (1, 3, {size[0]}, {size[1]}): {_reason(error)}; {remedy}"
        ) from (error)
    finally:
        built.train(was_training)
    expected = (1, num_classes, *size)
    got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
    if got != expected:
        raise InputError(f"{flag}: (1, 3, {size[0]}, {size[1]}) gave {got}, expected {expected}; {remedy}")


def _reason(error: Exception) -> str:
    """An error of custom code in one line, with the file and line that raised it."""
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    origin = f"{innermost.filename}, line {innermost.lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({origin})"


def _file(module: Any) -> str:
    return str(getattr(module, "__file__", None) or module.__name__)
