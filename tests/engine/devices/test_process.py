"""Device and precision of a process, on fake GPUs."""

from collections.abc import Callable

import pytest
import torch

from engine.devices import device, process

Card = Callable[[bool], None]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """A fake GPU with bf16 in hardware, or, like all since Maxwell, by emulation."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)

    def pretend(native: bool) -> None:
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation
        )

    return pretend


def test_emulated_bf16_does_not_count(card: Card) -> None:
    card(False)
    assert device.choose("auto", "auto") == ("cuda", "16-mixed")
    card(True)
    assert device.choose("auto", "auto") == ("cuda", "bf16-mixed")


def test_a_requested_precision_is_kept(card: Card) -> None:
    card(False)
    assert device.choose("gpu", "bf16-mixed") == ("cuda", "bf16-mixed")
    assert device.choose("gpu", "32-true") == ("cuda", "32-true")


def test_cudnn_does_not_search_by_default(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    card(True)
    device.choose("gpu", "auto")
    assert process.find_process("gpu", "auto").precision == "16-mixed"
    assert torch.backends.cudnn.benchmark is False
