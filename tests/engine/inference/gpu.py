"""A fake GPU that records which work waits for which, and computes how long everything takes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from engine.arrays import Size

SECONDS = {"upload": 0.001, "forward": 0.005, "download": 0.001}


class Stream:
    """A fake CUDA stream: work runs in the order of submission."""

    def __init__(self, device: object = None) -> None:
        del device
        self.before: set[str] = set()
        """Names of the work that must be done before the next work of this stream."""
        self.free_at = 0.0

    def wait_event(self, event: "Event") -> None:
        self.before |= event.before
        self.free_at = max(self.free_at, event.at)

    def wait_stream(self, other: "Stream") -> None:
        self.before |= other.before
        self.free_at = max(self.free_at, other.free_at)


class Event:
    machine: "Machine"

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        assert enable_timing
        assert blocking, "a thread that waits must leave its core to decoding"

    def record(self, stream: Stream) -> None:
        self.before = set(stream.before)
        self.at = max(self.machine.now, stream.free_at)

    def synchronize(self) -> None:
        self.machine.known |= self.before
        self.machine.now = max(self.machine.now, self.at)

    def elapsed_time(self, later: "Event") -> float:
        return 1e3 * (later.at - self.at)


class Machine:
    """Replaces torch's interface to CUDA; tensors stay on the CPU.

    Each piece of work has a name: upload, forward or download, and the first number in the tensor.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.computing = Stream()
        self.local = threading.local()
        self.needs: dict[str, set[str]] = {}
        """Name of a piece of work -> names of the work that had to be done before it."""
        self.recorded: list[tuple[str, Stream]] = []
        Event.machine = self
        empty, copy = torch.empty, torch.Tensor.copy_

        def memory(*shape: Any, pin_memory: bool = False, **how: Any) -> torch.Tensor:
            del pin_memory
            return empty(*shape, **how)

        def to_gpu(tensor: torch.Tensor, device: Any, non_blocking: bool = False) -> torch.Tensor:
            assert str(device) == "cuda:0"
            assert non_blocking
            self.do("upload", tensor)
            return tensor.clone()

        def to_memory(target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
            assert non_blocking
            self.do("download", source)
            return copy(target, source)

        def recorded(tensor: torch.Tensor, stream: Stream) -> None:
            self.recorded.append((str(int(tensor.flatten()[0])), stream))

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", self.using)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.current)
        monkeypatch.setattr(torch, "empty", memory)
        monkeypatch.setattr(torch.Tensor, "to", to_gpu)
        monkeypatch.setattr(torch.Tensor, "copy_", to_memory)
        monkeypatch.setattr(torch.Tensor, "record_stream", recorded)

    @property
    def current(self) -> Stream:
        """The current stream of this thread."""
        stream: Stream = getattr(self.local, "current", self.computing)
        return stream

    @property
    def known(self) -> set[str]:
        """Names of the work that this thread has waited for."""
        if not hasattr(self.local, "known"):
            self.local.known = set()
        known: set[str] = self.local.known
        return known

    @known.setter
    def known(self, known: set[str]) -> None:
        self.local.known = known

    @contextmanager
    def using(self, stream: Stream) -> Iterator[None]:
        before, self.local.current = self.current, stream
        try:
            yield
        finally:
            self.local.current = before

    def do(self, what: str, tensor: torch.Tensor) -> None:
        """Submit work to the current stream."""
        stream, name = self.current, f"{what} {int(tensor.flatten()[0])}"
        self.needs[name] = stream.before | self.known
        stream.before = stream.before | {name}
        stream.free_at = max(stream.free_at, self.now) + SECONDS[what]

    def done(self, names: Sequence[str]) -> bool:
        """Whether this thread has waited for all of that work."""
        return set(names) <= self.known


class Network:
    """A fake network on the fake GPU, which predicts the first channel of each pixel."""

    device = torch.device("cuda:0")
    precision = "16-mixed"
    bounds_memory = False

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.asked: list[Stream] = []

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.machine.do("forward", image)
        return image[0, 0].clone()

    def require_finite(self) -> None:
        self.asked.append(self.machine.current)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return image.float()

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.argmax(0).to(torch.uint8)

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Do nothing."""
