"""Fake CUDA streams, and captures that CUDA finds invalid at their end."""

import contextlib
from collections.abc import Iterator

import pytest
import torch


class Stream:
    """A fake stream that never waits."""

    def wait_stream(self, other: "Stream") -> None:
        """Do nothing."""


class FakeStreams:
    """Tracks the current stream; replaces the functions of `torch.cuda` for streams and graphs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current = self.first = Stream()
        cuda = {
            "Stream": lambda *_: Stream(),
            "current_stream": lambda *_: self.current,
            "stream": self.on,
            "device": lambda _: contextlib.nullcontext(),
            "synchronize": lambda *_: None,
            "CUDAGraph": object,
            "graph": self.invalid,
        }
        for name, stand_in in cuda.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    @contextlib.contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        """Replace `torch.cuda.stream`."""
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def invalid(self, graph: object, stream: Stream | None = None, capture_error_mode: str = "") -> Iterator[None]:
        """Replace `torch.cuda.graph`, which does not leave its stream if the end of the capture raises."""
        del graph, capture_error_mode
        self.current = stream or Stream()
        yield
        raise RuntimeError("operation failed due to a previous error during capture")
