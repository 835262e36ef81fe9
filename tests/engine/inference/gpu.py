"""A GPU that is only pretended, which notes what waits for what, and how long all takes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from engine.arrays import Size

SECONDS = {"upload": 0.001, "forward": 0.005, "download": 0.001}


class Stream:
    """Works in turn on what it is given."""

    def __init__(self, device: object = None) -> None:
        del device
        self.before: set[str] = set()
        """What must be done before whatever it is given next."""
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
    """In the place of torch's interface to CUDA; tensors stay on the CPU.

    What is done has a name: upload, forward or download, and the first number in the tensor.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.computing = Stream()
        self.own = threading.local()
        self.needs: dict[str, set[str]] = {}
        """What must have been done before each."""
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
        """Of this thread."""
        stream: Stream = getattr(self.own, "current", self.computing)
        return stream

    @property
    def known(self) -> set[str]:
        """What this thread has waited for."""
        if not hasattr(self.own, "known"):
            self.own.known = set()
        known: set[str] = self.own.known
        return known

    @known.setter
    def known(self, known: set[str]) -> None:
        self.own.known = known

    @contextmanager
    def using(self, stream: Stream) -> Iterator[None]:
        before, self.own.current = self.current, stream
        try:
            yield
        finally:
            self.own.current = before

    def do(self, what: str, tensor: torch.Tensor) -> None:
        """Give the current stream something to do."""
        stream, name = self.current, f"{what} {int(tensor.flatten()[0])}"
        self.needs[name] = stream.before | self.known
        stream.before = stream.before | {name}
        stream.free_at = max(stream.free_at, self.now) + SECONDS[what]

    def done(self, names: Sequence[str]) -> bool:
        """Whether this thread knows that it is done."""
        return set(names) <= self.known


class Network:
    """A forward pass on the pretended GPU: of each pixel its first channel."""

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
        """Nothing is to be done."""
