"""Networks run by OpenVINO on a CPU, which picks the kernels of the processor.

A network is converted in memory, for images of any size and batches of any length. Converting takes seconds, so the
compiled program is kept on disk for the next start. It is checked against the torch network at each start.
"""

import contextlib
import functools
import hashlib
import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from engine.errors import InputError
from engine.files.atomic import replacing
from engine.inference.upsampling import StepwiseNetwork

TOLERANCES = {"32-true": 1e-3, "bf16-mixed": 0.1}
"""Precision -> largest difference from torch's float32 scores in the check, relative to the largest score."""
_HINTS = {"32-true": "f32", "bf16-mixed": "bf16"}
_EXAMPLE = (65, 97)
"""Height and width of the image to trace with; odd, because tracing with an even size would leave out padding."""
_MAX_CACHE = 2 << 30
"""Most bytes of compiled programs on disk; the least recently used ones are removed."""
_DIGEST = 32
"""Length in bytes of the SHA-256 at the start of a file."""
_ROWS = 224
"""Rows of a strip: the first layers of a network, whose results are the largest, run on one strip at a time."""
_CHECKS = ((2, *_EXAMPLE), (1, _ROWS + 64, 64))
"""Number, height and width of the images of each check; the second one takes two strips."""


class RefusedError(Exception):
    """OpenVINO cannot run a network, or gives other scores."""


def is_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


def computes_in_bf16() -> bool:
    """Whether this processor has instructions for bf16; OpenVINO uses float32 on others."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def load_library() -> Any:
    """Import OpenVINO without its telemetry, which reports every conversion to Google Analytics by default."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # makes importing it fail
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    """OpenVINO's runtime, which must live as long as the process.

    It gives the main thread another stack for signal handlers, and frees that stack when it is destroyed. If another
    thread destroys it, for example as garbage, the next signal that Python handles ends the process.
    """
    return load_library().Core()


def default_cache() -> Path:
    """Folder for compiled programs, in the caches of this user."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "cityscapes-fcn" / "openvino"


def require_installed() -> None:
    """Check that OpenVINO is installed.

    Raises:
        InputError: if it is not.
    """
    if not is_installed():
        raise InputError(
            "--engine openvino: OpenVINO is not installed; run pip install openvino, or give --engine torch"
        )


class Program(nn.Module):
    """A part of a network, compiled by OpenVINO.

    Args:
        part: (N, C, H, W) float32 -> (N, ...) float32, in evaluation mode on the CPU.
        example: (1, C, H, W) input for tracing.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs; None compiles at each start.

    Raises:
        RefusedError: if the part cannot be converted.
    """

    def __init__(self, part: nn.Module, example: torch.Tensor, precision: str, cache: Path | None) -> None:
        super().__init__()
        core = _core()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # other processes may work on the same cores
        }
        stored = None if cache is None else cache / f"{_key(part, example, settings)}.blob"
        compiled = None if stored is None else _load(core, stored, settings)
        if compiled is None:
            compiled = core.compile_model(_converted(part, example), "CPU", settings)
            if stored is not None:
                _store(compiled, stored)
        self._compiled = compiled
        self._request: Any = None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> (N, ...) float32; both are copied, because OpenVINO reuses its memory."""
        self._request = self._request or self._compiled.create_infer_request()
        output: torch.Tensor = torch.from_numpy(self._request.infer([image.contiguous().numpy()])[0])
        return output

    def release(self) -> None:
        """Free the memory that is kept from one image to the next."""
        self._request = None
        self._compiled.release_memory()


class WholeNetwork(nn.Module):
    """A network as one program.

    Args:
        network: (N, 3, H, W) float32 -> (N, C, H, W) logits, in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs, see `Program`.
    """

    def __init__(self, network: nn.Module, precision: str, cache: Path | None) -> None:
        super().__init__()
        self.program = Program(network, torch.randn(1, 3, *_EXAMPLE, generator=_generator()), precision, cache)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, H, W) logits."""
        logits: torch.Tensor = self.program(image)
        return logits


class StripNetwork(nn.Module):
    """A `StepwiseNetwork` as two programs; the first one runs strip by strip.

        rows of the image      strip 1 |---------------|
                               strip 2             |--halo--|---------------|--halo--|
        rows of its features           |============|===============|=====...

    The results of the first layers take as much memory as all others together; for one strip they take a fraction of
    that. The halo is as wide as the receptive field of these layers, so the features are those of the whole image.

    Args:
        network: in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs, see `Program`.
    """

    def __init__(self, network: StepwiseNetwork, precision: str, cache: Path | None) -> None:
        super().__init__()
        example = functional.pad(torch.randn(1, 3, *_EXAMPLE, generator=_generator()), network.padding(*_EXAMPLE))
        self.stem = Program(network.stem, example, precision, cache)
        self.rest = Program(_AfterStem(network), network.stem(example), precision, cache)
        self.padding, self.upsampling, self.final_offset = network.padding, network.upsampling, network.final_offset
        self._halo, self._stride = halo_and_stride(network.stem)

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, h, w) coarse scores, like the network's."""
        scores: torch.Tensor = self.rest(self._features(image))
        self.rest.release()  # both programs together would keep more than half of the memory that torch takes
        return scores

    def _features(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, h, w) results of the first layers."""
        padded = functional.pad(image, self.padding(image.shape[-2], image.shape[-1]))
        height = padded.shape[-2]
        features, done = padded.new_empty(0), 0
        for start in range(0, height, _ROWS):
            first, last = max(0, start - self._halo), min(height, start + _ROWS + self._halo)
            above = (start - first) // self._stride
            below = None if last == height else above + _ROWS // self._stride
            strip = self.stem(padded[..., first:last, :])[..., above:below, :]
            if start == 0:
                features = strip.new_empty(*strip.shape[:-2], -(-height // self._stride), strip.shape[-1])
            features[..., done : done + strip.shape[-2], :] = strip
            done += strip.shape[-2]
            if last == height:
                break
        return features[..., :done, :]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, H, W) logits."""
        height, width = image.shape[-2:]
        offset = self.final_offset
        logits: torch.Tensor = self.upsampling(self.coarse(image))
        return logits[..., offset : offset + height, offset : offset + width]


class _AfterStem(nn.Module):
    """The layers of a network after its stem, up to the coarse scores."""

    def __init__(self, network: StepwiseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.network.coarse_of(features)


def compile_network(network: nn.Module, precision: str, cache: Path | None = None) -> "WholeNetwork | StripNetwork":
    """Compile a network for OpenVINO, and check its logits.

    Args:
        network: (N, 3, H, W) float32 -> (N, C, H, W) logits, in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs; None compiles at each start.

    Raises:
        RefusedError: if OpenVINO cannot run it, or gives other scores.
    """
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # tracing warns about shapes; the check below finds errors
            ready = (
                StripNetwork(network, precision, cache)
                if isinstance(network, StepwiseNetwork)
                else WholeNetwork(network, precision, cache)
            )
            for number, height, width in _CHECKS:
                _check(network, ready, torch.randn(number, 3, height, width, generator=_generator()), precision)
    except RefusedError:
        raise
    except Exception as error:  # OpenVINO and torch.jit raise errors of many types for unsupported layers
        raise RefusedError((str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error
    return ready


def halo_and_stride(layers: Sequence[nn.Module] | nn.Sequential) -> tuple[int, int]:
    """Halo of a strip in rows, rounded up to a multiple of the stride, and the stride of its features.

    Args:
        layers: convolutions, poolings without overlap, and layers whose results depend on one pixel each.
    """
    halo, stride = 0, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            halo += stride * int(layer.dilation[0]) * (int(layer.kernel_size[0]) // 2)
            stride *= int(layer.stride[0])
        elif isinstance(layer, nn.MaxPool2d):
            stride *= layer.stride if isinstance(layer.stride, int) else layer.stride[0]
    return -(-halo // stride) * stride, stride


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _check(network: nn.Module, ready: nn.Module, image: torch.Tensor, precision: str) -> None:
    """Compare the logits of a compiled network with torch's.

    Raises:
        RefusedError: if shapes differ, or values by more than the tolerance.
    """
    expected, got = network(image), ready(image)
    if got.shape != expected.shape:
        raise RefusedError(f"its scores have the shape {tuple(got.shape)}, torch's {tuple(expected.shape)}")
    difference = ((got - expected).abs().max() / expected.abs().max().clamp(min=1e-12)).item()
    if not difference <= TOLERANCES[precision]:  # NaN is refused too
        raise RefusedError(f"its scores differ from torch's by {difference:.2g} of the largest")


def _converted(part: nn.Module, example: torch.Tensor) -> Any:
    openvino = load_library()
    shape = openvino.PartialShape([-1, example.shape[1], -1, -1])
    return openvino.convert_model(part, example_input=example, input=[(shape, openvino.Type.f32)])


def _key(part: nn.Module, example: torch.Tensor, settings: dict[str, Any]) -> str:
    """Key of a compiled program: a hash of everything known that it depends on; the check finds other changes."""
    openvino = load_library()
    processor = _core().get_property("CPU", "FULL_DEVICE_NAME")
    versions = openvino.get_version(), torch.__version__
    digest = hashlib.sha256(repr((part, example.shape, settings, processor, versions)).encode())
    for name, tensor in part.state_dict().items():
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def _load(core: Any, path: Path, settings: dict[str, Any]) -> Any:
    """Load a compiled program from a file; None if the file is missing, damaged or cannot be used."""
    try:
        content = path.read_bytes()
        digest, blob = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(blob).digest() != digest:
            return None  # OpenVINO cannot be trusted to refuse damaged files
        compiled = core.import_model(io.BytesIO(blob), "CPU", settings)
    except (OSError, RuntimeError):
        return None
    with contextlib.suppress(OSError):
        path.touch()  # records the last use
    return compiled


def _store(compiled: Any, path: Path) -> None:
    """Write a compiled program to a file; if the disk refuses it, the next start compiles again."""
    with contextlib.suppress(OSError, InputError):
        blob = compiled.export_model().getbuffer()
        with replacing(path) as file:
            file.write(hashlib.sha256(blob).digest())
            file.write(blob)
        kept = sorted(path.parent.glob("*.blob"), key=lambda other: other.stat().st_mtime, reverse=True)
        for other, size in zip(kept, accumulate(other.stat().st_size for other in kept), strict=True):
            if size > _MAX_CACHE and other != path:
                other.unlink(missing_ok=True)
