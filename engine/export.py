"""Export of networks to files that run without this project: uint8 image in, ids out."""

import importlib.util
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from engine.arrays import UInt8Array
from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.errors import InputError
from engine.files.images import synthetic_image
from engine.normalization import Normalize

FORMATS = {"onnx": ".onnx", "torch": ".pt2"}
"""File ending of each format."""
MIN_AGREEMENT = 0.9999
"""Smallest share of pixels on which an exported file must equal the network."""
ODD_SIZE = (203, 333)
"""Height and width that are not multiples of any stride; files for any size are checked with it too."""


class ImageToIds(nn.Module):
    """A network with normalisation, argmax and lookup: from pixels to the values of a prediction file.

    Args:
        network: (N, 3, H, W) float -> (N, C, H, W) logits.
        about: metadata of its weights.
        benchmark: defines the values of predictions: ids of classes, or confidences.
    """

    def __init__(self, network: nn.Module, about: About, benchmark: Benchmark) -> None:
        super().__init__()
        self.network = network
        self.normalize = Normalize(about.mean, about.std)
        self.confidence_class = benchmark.confidence_class
        self.table: torch.Tensor
        self.register_buffer("table", torch.from_numpy(benchmark.prediction_ids.copy()))
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 ids or confidences."""
        logits = self.network(self.normalize(image.permute(2, 0, 1)[None]))
        if self.confidence_class is None:
            ids: torch.Tensor = self.table[logits[0].argmax(0)]
            return ids
        confidences: torch.Tensor = logits[0].softmax(0)[self.confidence_class]
        return (255 * confidences).round().to(torch.uint8)


class Check(NamedTuple):
    """Result of checking an exported file with one image."""

    size: tuple[int, int]
    """Height and width of the image, in pixels."""
    agreement: float
    """Share of pixels with the value that the network gives, 0 to 1."""
    refusal: str = ""
    """Error that kept the file from being written or run; empty if there was none."""


class Exported(NamedTuple):
    """Result of an export."""

    path: Path
    any_size: bool
    """Whether the file takes images of any size; otherwise only of the given one."""
    checks: tuple[Check, ...]


def export(network: ImageToIds, path: Path, kind: str, size: tuple[int, int], notes: dict[str, str]) -> Exported:
    """Write a network to a file, run the file, and keep it if its results equal the network's.

    The network is traced for images of any size. If its graph depends on the size nevertheless, for example because it
    works in tiles, the file is for the given size only.

    Args:
        network: the network in float32 on the CPU.
        path: path of the file.
        kind: format, one of `FORMATS`.
        size: height and width of an image for the check, and for tracing if the file is for one size.
        notes: metadata to store in the file.

    Raises:
        InputError: if a library is missing, the network cannot be traced, or results of the file differ.
    """
    if kind == "onnx":
        _require("onnx", "onnxscript", "onnxruntime")
    any_size = _traced(network, path, ODD_SIZE, dynamic=True)
    fixed = None if _is_dynamic(any_size) else _traced(network, path, size, dynamic=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _atomic(path) as part:
        checks = () if fixed else _written(network, any_size, part, kind, notes, (size, ODD_SIZE))
        if not _good(checks):  # the graph depends on the size it was traced with
            fixed = fixed or _traced(network, path, size, dynamic=False)
            checks = _written(network, fixed, part, kind, notes, (size,))
        if not _good(checks):
            raise InputError(
                f"{path}: not written: compared with the network, the file gives {format_checks(checks)}, "
                f"expected {MIN_AGREEMENT:.2%}; try the other format ({', '.join(FORMATS)}), and report this"
            )
    return Exported(path, fixed is None, checks)


def _good(checks: Sequence["Check"]) -> bool:
    return bool(checks) and all(check.agreement >= MIN_AGREEMENT for check in checks)


def _written(
    network: ImageToIds,
    program: torch.export.ExportedProgram,
    path: Path,
    kind: str,
    notes: dict[str, str],
    sizes: Sequence[tuple[int, int]],
) -> tuple[Check, ...]:
    """Write a graph to a file, and check the file with images of these sizes."""
    try:
        if kind == "onnx":
            _write_onnx(program, path, notes)
        else:
            # Not by path: torch.export would name the content after it, and a failing write would abort Python.
            content = io.BytesIO()
            torch.export.save(program, content, extra_files=notes)
            path.write_bytes(content.getbuffer())
        run = _onnx_runner(path) if kind == "onnx" else _torch_runner(path)
    except OSError:
        raise
    except Exception as error:  # exporters and runtimes raise errors of many types
        return tuple(Check(size, 0.0, _first_line(error)) for size in sizes)
    return tuple(_check(network, run, size) for size in sizes)


def format_checks(checks: Sequence[Check]) -> str:
    """Describe the results of checks in words."""
    return " and ".join(
        f"the same on {check.agreement:.4%} of the pixels of {check.size[0]}x{check.size[1]}"
        + (f" ({check.refusal})" if check.refusal else "")
        for check in checks
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _traced(network: ImageToIds, path: Path, size: tuple[int, int], *, dynamic: bool) -> torch.export.ExportedProgram:
    """Trace the network as a graph, for images of any size or of this one.

    A trace for any size uses an odd size, because padding and crops that do nothing would be left out of the graph.
    """
    auto = torch.export.Dim.AUTO
    shapes = {"image": {0: auto, 1: auto}} if dynamic else None
    image = torch.zeros(*size, 3, dtype=torch.uint8)
    try:
        with torch.no_grad():
            return torch.export.export(network, (image,), dynamic_shapes=shapes, strict=False)
    except (torch._dynamo.exc.TorchDynamoException, RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: torch.export cannot trace this network ({_first_line(error)}); data-dependent control flow "
            "is not supported"
        ) from error


def _is_dynamic(program: torch.export.ExportedProgram) -> bool:
    """Whether tracing kept both sides of the image variable."""
    (name,) = program.graph_signature.user_inputs
    shape = next(node.meta["val"].shape for node in program.graph.nodes if node.name == name)
    return not any(isinstance(side, int) for side in shape[:2])


def _write_onnx(program: torch.export.ExportedProgram, path: Path, notes: dict[str, str]) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they concern the exporter's code
        written = torch.onnx.export(program, dynamo=True, verbose=False, input_names=["image"], output_names=["ids"])
    if written is None:  # pragma: no cover  # its type allows None
        raise InputError(f"{path}: the ONNX exporter returned no model")
    written.model.metadata_props.update(notes)
    written.save(path)


def _onnx_runner(path: Path) -> Callable[[UInt8Array], UInt8Array]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(image: UInt8Array) -> UInt8Array:
        ids: UInt8Array = session.run(["ids"], {"image": image})[0]
        return ids

    return run


def _torch_runner(path: Path) -> Callable[[UInt8Array], UInt8Array]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the loader's own code, in torch 2.11
        program = torch.export.load(path)
    # The guards concern shortcuts that an odd size does not take; `_check` runs other sizes.
    module = program.module(check_guards=False)

    def run(image: UInt8Array) -> UInt8Array:
        with torch.no_grad():
            ids: UInt8Array = module(torch.from_numpy(image)).numpy()
        return ids

    return run


def _check(network: ImageToIds, run: Callable[[UInt8Array], UInt8Array], size: tuple[int, int]) -> Check:
    """Run the file and the network on the same synthetic image."""
    image = synthetic_image(size)
    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    try:
        got = run(image)
    except Exception as error:  # of many types, see `_written`
        return Check(size, 0.0, _first_line(error))
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return Check(size, 0.0)
    return Check(size, float((got == expected).mean()))


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """A temporary path, which is renamed to `path` only if no error occurs.

    Raises:
        InputError: for every error of the system, with the final path.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{path}: cannot write it ({reason}); make room on that disk or check it, then run the same command again"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _require(*libraries: str) -> None:
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--format onnx: needs {', '.join(missing)}; install with: pip install {' '.join(missing)} "
            '(or pip install ".[export]" here), or give --format torch'
        )


def metadata(about: About, benchmark: Benchmark, sha256: str) -> dict[str, Any]:
    """Metadata of an exported file: input, output, network, benchmark and weights."""
    values = "confidence 0 to 255" if benchmark.confidence_class is not None else "ids"
    return {
        "input": "image: (height, width, 3) uint8 RGB",
        "output": f"ids: (height, width) uint8, {values} as in prediction files of {benchmark.name}",
        "network": about.network,
        "benchmark": benchmark.name,
        "weights_sha256": sha256,
    }
