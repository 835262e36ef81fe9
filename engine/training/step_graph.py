"""CUDA graph of a training step."""

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
"""Inputs or results of a step."""
Step = Callable[..., Tensors]
"""Step on tensors of fixed shapes on the device; it reads and writes only device memory."""

WARM_UP = 3
"""Steps that run eagerly first: optimisers create their state, and cuDNN searches for its fastest algorithms."""


class Backend(Protocol):
    """Runs and captures work; tests replace it where there is no GPU."""

    def run(self, work: Callable[[], Tensors]) -> Tensors:
        """Run the work eagerly, on the stream of the capture."""

    def capture(self, work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
        """Record the work without running it; return a function that replays it, and the tensors of its results."""


class CudaBackend:
    """PyTorch's CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, work: Callable[[], Tensors]) -> Tensors:
        """Run the work on a side stream, which a capture requires."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            results = work()
        outside.wait_stream(self._stream)
        for result in results:
            result.record_stream(outside)
        return results

    def capture(self, work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
        """Record the work as a graph; other threads may pin memory at the same time, as data loaders do."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        capture = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
        try:
            # The outer context leaves the stream even if the end of an invalid capture raises.
            with torch.cuda.stream(self._stream), capture:
                results = work()
        except BaseException:
            # torch also leaves its random generator in the capture; a copy of the generator's state is not in it.
            with contextlib.suppress(RuntimeError, IndexError):  # the error of the capture is the one to report
                generator = torch.cuda.default_generators[self._device.index or 0]
                generator.graphsafe_set_state(generator.clone_state())
            raise
        return graph.replay, results


class StepGraph:
    """Runs a step eagerly three times, then captures it as a graph and replays it.

    A replay is one launch instead of several hundred, so a GPU never waits for Python. Training continues eagerly, with
    one warning, if the capture fails or if the step draws random numbers on the host, which a replay would repeat.

    Args:
        step: function of the inputs.
        backend: for example `CudaBackend`; None runs every step eagerly, as on CPUs.
        discard: discards what a failed capture leaves behind, for example gradients.
    """

    def __init__(self, step: Step, backend: Backend | None, discard: Callable[[], object] = lambda: None) -> None:
        self._step, self._backend, self._discard = step, backend, discard
        self._runs = 0
        self._inputs: Tensors = ()
        self._results: Tensors = ()
        self._replay: Callable[[], Any] | None = None

    def __call__(self, *inputs: torch.Tensor) -> Tensors:
        """Run a step; the results are valid until the next step.

        Args:
            inputs: tensors of the same shapes and dtypes every time, on the device or in pinned memory.
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
        """Capture the step on static inputs; return whether it succeeded."""
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
        """Discard what a failed capture leaves behind, warn, and return False."""
        self._inputs = ()
        self._discard()
        print(f"warning: no CUDA graph of the training step ({reason}); it runs eagerly", file=sys.stderr)
        return False


def _cause(error: RuntimeError) -> str:
    """Cause and location of a failed capture; torch's error only says that it failed."""
    cause = error.__context__ or error
    message = (str(cause).splitlines() or [type(cause).__name__])[0]
    frames = traceback.extract_tb(cause.__traceback__)
    return f"{message}, at {frames[-1].filename}:{frames[-1].lineno}" if frames else message


class _HostRandomState:
    """Random states of the host: those of Python, NumPy and torch."""

    def __init__(self) -> None:
        self._python, self._numpy, self._torch = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002

    def is_unchanged(self) -> bool:
        """Whether no random number was drawn since."""
        now = _HostRandomState()
        (_, keys, *rest), (_, keys_now, *rest_now) = self._numpy, now._numpy
        same_numpy = np.array_equal(keys, keys_now) and rest == rest_now
        return self._python == now._python and same_numpy and torch.equal(self._torch, now._torch)

    def restore(self) -> None:
        """Restore the random states."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_rng_state(self._torch)


def graph_backend(fabric: Fabric, config: TrainingConfig) -> CudaBackend | None:
    """Backend that captures the step as a CUDA graph; None if that is not possible.

    Several processes communicate within a step, gradient accumulation makes steps differ, and the scaler of fp16
    decides on the host whether the weights change.
    """
    uniform = fabric.world_size == 1 and config.accumulate == 1
    if not config.cuda_graph or fabric.device.type != "cuda" or not uniform or precision_of(fabric) == "16-mixed":
        return None
    return CudaBackend(fabric.device)
