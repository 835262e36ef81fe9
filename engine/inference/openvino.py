"""Networks run by OpenVINO on a CPU: it picks the kernels of the processor at hand.

A network is converted in memory, for images of any size and batches of any length. Converting takes seconds, so the
compiled program is kept on disk for the next start, and checked against the torch network each time.
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
"""Precision -> how much the scores of the check may differ from torch's in float32, relative to the largest of them."""
_HINTS = {"32-true": "f32", "bf16-mixed": "bf16"}
_EXAMPLE = (65, 97)
"""Height and width of the image that a network is traced with: odd, or it would be traced without padding."""
_MOST_KEPT = 2 << 30
"""Bytes of all compiled programs on disk; those that were not used for longest go first."""
_DIGEST = 32
"""Bytes of a SHA-256, which a file begins with."""
_ROWS = 224
"""Rows of an image that the first layers of a network, whose results are the largest, see at a time."""
_CHECKS = ((2, *_EXAMPLE), (1, _ROWS + 64, 64))
"""Images, height and width of what a program is checked on; the second one takes two strips."""


class RefusedError(Exception):
    """OpenVINO does not run a network, or runs it to other scores."""


def is_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


def computes_in_bf16() -> bool:
    """Whether this processor has instructions for bf16; OpenVINO takes float32 where it has none."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _library() -> Any:
    """OpenVINO, without the module by which it tells Google Analytics of every conversion unless a user opts out."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # so that importing it fails
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    """OpenVINO's run-time system, which must live as long as the process.

    It gives the main thread another stack for signal handlers, and frees that stack at its end. If it ends in another
    thread, for example as garbage, the next signal that Python handles ends the process.
    """
    return _library().Core()


def default_cache() -> Path:
    """The folder of this user's caches that compiled programs go to."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "cityscapes-fcn" / "openvino"


def require_installed() -> None:
    """Refuse what would fail later.

    Raises:
        InputError: if OpenVINO is not installed.
    """
    if not is_installed():
        raise InputError("--engine openvino: it is not installed; run pip install openvino, or give --engine torch")


class Program(nn.Module):
    """A part of a network, compiled by OpenVINO.

    Args:
        part: (N, C, H, W) float32 -> (N, ...) float32, in evaluation mode on the CPU.
        example: (1, C, H, W) to trace it with.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs; None to compile anew.

    Raises:
        RefusedError: if it cannot be converted.
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
        kept = None if cache is None else cache / f"{_key(part, example, settings)}.blob"
        compiled = None if kept is None else _loaded(core, kept, settings)
        if compiled is None:
            compiled = core.compile_model(_converted(part, example), "CPU", settings)
            if kept is not None:
                _keep(compiled, kept)
        self._compiled = compiled
        self._request: Any = None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> the result; both are copied, because OpenVINO uses its own memory again."""
        self._request = self._request or self._compiled.create_infer_request()
        output: torch.Tensor = torch.from_numpy(self._request.infer([image.contiguous().numpy()])[0])
        return output

    def release(self) -> None:
        """Give back the memory that is kept from one image to the next."""
        self._request = None
        self._compiled.release_memory()


class WholeNetwork(nn.Module):
    """A network as one program.

    Args:
        network: (N, 3, H, W) float32 -> (N, C, H, W) logits, in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: as for `Program`.
    """

    def __init__(self, network: nn.Module, precision: str, cache: Path | None) -> None:
        super().__init__()
        self.program = Program(network, torch.randn(1, 3, *_EXAMPLE, generator=_generator()), precision, cache)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, H, W) logits."""
        logits: torch.Tensor = self.program(image)
        return logits


class StripNetwork(nn.Module):
    """A `StepwiseNetwork` network as two programs, the first of which sees an image strip by strip.

        rows of the image      strip 1 |---------------|
                               strip 2             |--halo--|---------------|--halo--|
        rows of its features           |============|===============|=====...

    The results of the first layers are as large as all others together. Of each strip they take a fraction of that
    memory. The halo is as wide as those layers look, so the features are those of the whole image.

    Args:
        network: in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: as for `Program`.
    """

    def __init__(self, network: StepwiseNetwork, precision: str, cache: Path | None) -> None:
        super().__init__()
        example = functional.pad(torch.randn(1, 3, *_EXAMPLE, generator=_generator()), network.padding(*_EXAMPLE))
        self.stem = Program(network.stem, example, precision, cache)
        self.rest = Program(_AfterStem(network), network.stem(example), precision, cache)
        self.padding, self.upsampling, self.final_offset = network.padding, network.upsampling, network.final_offset
        self._halo, self._stride = halo_and_stride(network.stem)

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float32 -> (N, C, h, w) scores, as those of the network."""
        scores: torch.Tensor = self.rest(self._features(image))
        self.rest.release()  # the memory of both programs together would be more than half of what torch takes
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
    """What follows the first layers of a network, up to the coarse scores."""

    def __init__(self, network: StepwiseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.network.coarse_of(features)


def compile_network(network: nn.Module, precision: str, cache: Path | None = None) -> "WholeNetwork | StripNetwork":
    """The same network, run by OpenVINO.

    Args:
        network: (N, 3, H, W) float32 -> (N, C, H, W) logits, in evaluation mode on the CPU.
        precision: one of `TOLERANCES`.
        cache: folder for compiled programs; None to compile anew.

    Raises:
        RefusedError: if OpenVINO does not run it, or runs it to other scores.
    """
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # tracing warns of shapes that Python looks at; the check is what counts
            ready = (
                StripNetwork(network, precision, cache)
                if isinstance(network, StepwiseNetwork)
                else WholeNetwork(network, precision, cache)
            )
            for number, height, width in _CHECKS:
                _check(network, ready, torch.randn(number, 3, height, width, generator=_generator()), precision)
    except RefusedError:
        raise
    except Exception as error:  # OpenVINO and torch.jit have errors of many types for what they do not know
        raise RefusedError((str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error
    return ready


def halo_and_stride(layers: Sequence[nn.Module] | nn.Sequential) -> tuple[int, int]:
    """Rows beyond a strip on which its features depend, a multiple of the stride, and the stride of the features.

    Args:
        layers: convolutions, poolings without overlap, and layers that look at one pixel.
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
    """Compare the logits of a random image.

    Raises:
        RefusedError: if they differ.
    """
    expected, got = network(image), ready(image)
    if got.shape != expected.shape:
        raise RefusedError(f"its scores have the shape {tuple(got.shape)}, torch's {tuple(expected.shape)}")
    difference = ((got - expected).abs().max() / expected.abs().max().clamp(min=1e-12)).item()
    if not difference <= TOLERANCES[precision]:  # NaN is refused too
        raise RefusedError(f"its scores differ from torch's by {difference:.2g} of the largest")


def _converted(part: nn.Module, example: torch.Tensor) -> Any:
    openvino = _library()
    shape = openvino.PartialShape([-1, example.shape[1], -1, -1])
    return openvino.convert_model(part, example_input=example, input=[(shape, openvino.Type.f32)])


def _key(part: nn.Module, example: torch.Tensor, settings: dict[str, Any]) -> str:
    """What a compiled program depends on, as far as can be told; the check finds what cannot."""
    openvino = _library()
    processor = _core().get_property("CPU", "FULL_DEVICE_NAME")
    versions = openvino.get_version(), torch.__version__
    told = hashlib.sha256(repr((part, example.shape, settings, processor, versions)).encode())
    for name, tensor in part.state_dict().items():
        told.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        told.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return told.hexdigest()[:32]


def _loaded(core: Any, path: Path, settings: dict[str, Any]) -> Any:
    """The compiled program in a file; None if there is none, or none that can be used."""
    try:
        content = path.read_bytes()
        digest, blob = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(blob).digest() != digest:
            return None  # OpenVINO is not to be trusted with damaged files
        compiled = core.import_model(io.BytesIO(blob), "CPU", settings)
    except (OSError, RuntimeError):
        return None
    with contextlib.suppress(OSError):
        path.touch()  # was used now
    return compiled


def _keep(compiled: Any, path: Path) -> None:
    """Write a compiled program to a file, unless the disk refuses it: the next start compiles again then."""
    with contextlib.suppress(OSError, InputError):
        blob = compiled.export_model().getbuffer()
        with replacing(path) as file:
            file.write(hashlib.sha256(blob).digest())
            file.write(blob)
        kept = sorted(path.parent.glob("*.blob"), key=lambda other: other.stat().st_mtime, reverse=True)
        for other, size in zip(kept, accumulate(other.stat().st_size for other in kept), strict=True):
            if size > _MOST_KEPT and other != path:
                other.unlink(missing_ok=True)
