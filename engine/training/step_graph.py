"""A training step as one CUDA graph."""

import contextlib
import random
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric

from engine.devices.fabric import precision_of
from engine.training.config import TrainingConfig

Tensors = tuple[torch.Tensor, ...]
Step = Callable[..., Tensors]
"""Does a step on tensors of fixed shapes on the device; reads and writes nothing but memory there."""

WARM_UP = 3
"""Steps that run eagerly first: optimisers make their state in the first, cuDNN looks for its fastest algorithms."""


class Backend(Protocol):
    """Runs and captures work, so that a test can stand in for a GPU."""

    def run(self, work: Callable[[], Tensors]) -> Tensors:
        """Do the work eagerly, on the stream that captures."""

    def capture(self, work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
        """Record the work without doing it: what does it from then on, and the tensors that it leaves results in."""


class CudaBackend:
    """PyTorch's CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, work: Callable[[], Tensors]) -> Tensors:
        """Do the work on a side stream, where a capture has to take place."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            results = work()
        outside.wait_stream(self._stream)
        for result in results:
            result.record_stream(outside)
        return results

    def capture(self, work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
        """Record the work as a graph; other threads may pin memory meanwhile, as loaders do."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        capture = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
        try:
            # The outer context leaves the stream even where the end of an invalid capture raises.
            with torch.cuda.stream(self._stream), capture:
                results = work()
        except BaseException:
            # There torch also leaves its random numbers in the capture; a copy of their state is in none.
            with contextlib.suppress(RuntimeError, IndexError):  # the error of the capture is the one to tell
                generator = torch.cuda.default_generators[self._device.index or 0]
                generator.graphsafe_set_state(generator.clone_state())
            raise
        return graph.replay, results


class StepGraph:
    """Runs a step eagerly a few times, then captures it and replays it.

    A replay takes the host one launch in place of several hundred, so a GPU is never left waiting for Python. If the
    capture fails, or the step draws random numbers on the host, which a replay would repeat for ever, training stays
    eager, with one warning.

    Args:
        step: what to do on the inputs.
        backend: for example `CudaBackend`; None runs every step eagerly, as CPUs do.
        discard: drops what a step leaves behind that was recorded but not done, for example gradients.
    """

    def __init__(self, step: Step, backend: Backend | None, discard: Callable[[], object] = lambda: None) -> None:
        self._step, self._backend, self._discard = step, backend, discard
        self._runs = 0
        self._inputs: Tensors = ()
        self._results: Tensors = ()
        self._replay: Callable[[], Any] | None = None

    def __call__(self, *inputs: torch.Tensor) -> Tensors:
        """The results of a step, which stay valid until the next one.

        Args:
            inputs: of the same shapes and dtypes every time, on the device or in pinned memory.
        """
        if self._backend is None:
            return self._step(*inputs)
        if self._replay is None and self._runs < WARM_UP:
            self._runs += 1
            backend = self._backend
            return backend.run(lambda: self._step(*inputs))
        if self._replay is None and not self._capture(self._backend, inputs):
            self._backend = None
            return self._step(*inputs)
        for static, given in zip(self._inputs, inputs, strict=True):
            static.copy_(given, non_blocking=True)
        if self._replay is not None:
            self._replay()
        return self._results

    def _capture(self, backend: Backend, inputs: Tensors) -> bool:
        """Record the step on inputs that keep their place; whether that went well."""
        self._inputs = tuple(given.clone() for given in inputs)
        before = _HostRandomState()
        try:
            replay, results = backend.capture(lambda: self._step(*self._inputs))
        except RuntimeError as error:
            return self._give_up(_cause(error))
        if not before.is_unchanged():
            before.restore()
            return self._give_up("the step draws random numbers on the host")
        self._replay, self._results = replay, results
        return True

    def _give_up(self, reason: str) -> bool:
        """Leave nothing of a capture behind."""
        self._inputs = ()
        self._discard()
        print(f"warning: no CUDA graph of the training step ({reason}); it runs eagerly", file=sys.stderr)
        return False


def _cause(error: RuntimeError) -> str:
    """What made a capture fail, and where: torch's own error only says that it did."""
    cause = error.__context__ or error
    message = (str(cause).splitlines() or [type(cause).__name__])[0]
    frames = traceback.extract_tb(cause.__traceback__)
    return f"{message}, at {frames[-1].filename}:{frames[-1].lineno}" if frames else message


class _HostRandomState:
    """The random states of the host: Python's, NumPy's and torch's."""

    def __init__(self) -> None:
        self._python, self._numpy, self._torch = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002

    def is_unchanged(self) -> bool:
        """Whether nothing was drawn since."""
        now = _HostRandomState()
        (_, keys, *rest), (_, keys_now, *rest_now) = self._numpy, now._numpy
        same_numpy = np.array_equal(keys, keys_now) and rest == rest_now
        return self._python == now._python and same_numpy and torch.equal(self._torch, now._torch)

    def restore(self) -> None:
        """Take back what was drawn."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_rng_state(self._torch)


def graph_backend(fabric: Fabric, config: TrainingConfig) -> CudaBackend | None:
    """What captures the step as a CUDA graph; None where it cannot be done.

    Several processes talk to each other within a step, an accumulated gradient makes steps differ, and fp16's scaler
    decides on the host whether weights change.
    """
    alone = fabric.world_size == 1 and config.accumulate == 1
    if not config.cuda_graph or fabric.device.type != "cuda" or not alone or precision_of(fabric) == "16-mixed":
        return None
    return CudaBackend(fabric.device)
