"""Order of uploads, forward passes and downloads on a fake GPU, and their dependencies."""

import numpy as np
import pytest
import torch

from engine.arrays import UInt8Array
from engine.inference.pipeline import Predictor
from engine.inference.streams import IN_FLIGHT, Download, Streams, pinned_copy
from tests.engine.inference.gpu import Machine, Network


def image(number: int) -> UInt8Array:
    return np.full((2, 3, 3), number, np.uint8)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def submit(predictor: Predictor, number: int) -> Download:
    """Submit one image to the GPU, up to its download."""
    return predictor.download(predictor.forward(predictor.transfer(image(number))))


def test_each_step_waits_for_its_own_image_only(machine: Machine) -> None:
    predictor = Predictor(Network(machine))
    for number in range(IN_FLIGHT):
        submit(predictor, number)
    needs = machine.needs
    for number in range(IN_FLIGHT):
        earlier = {f"{what} {before}" for what in ("upload", "forward") for before in range(number)}
        assert needs[f"upload {number}"] == {f"upload {before}" for before in range(number)}, "and no forward pass"
        assert needs[f"forward {number}"] == earlier | {f"upload {number}"}, "and no download"
        downloads = {f"download {before}" for before in range(number)}
        assert needs[f"download {number}"] == earlier | downloads | {f"upload {number}", f"forward {number}"}
    assert not machine.known, "Python has not waited"


def test_few_images_are_on_the_gpu_at_a_time(machine: Machine) -> None:
    predictor = Predictor(Network(machine))
    for number in range(10):
        submit(predictor, number)
        done = number - IN_FLIGHT
        assert done < 0 or f"forward {done}" in machine.needs[f"upload {number}"]
        assert not machine.done([f"forward {done + 1}"])


def test_a_prediction_is_fetched_without_waiting_for_later_ones(machine: Machine) -> None:
    network = Network(machine)
    predictor = Predictor(network)
    downloads = [submit(predictor, number) for number in range(3)]
    for number, download in enumerate(downloads):
        assert predictor.fetch(download).tolist() == [[number] * 3] * 2
        assert machine.done([f"download {number}"])
        assert not machine.done([f"forward {number + 1}"])
    assert len(network.asked) == 3, "the range is checked for each image"
    assert all(stream.before == set() for stream in network.asked), "on a stream that waits for nothing else"
    assert predictor.fetch(network(predictor.transfer(image(7)))).tolist() == [[7] * 3] * 2, "without a download before"


def test_memory_is_not_reused_while_another_stream_reads_it(machine: Machine) -> None:
    predictor = Predictor(Network(machine))
    submit(predictor, 5)
    (up, computing), (down, downloading) = machine.recorded
    assert up == down == "5"
    assert computing is machine.computing
    assert downloading.before >= {"download 5"}


@pytest.mark.parametrize(
    ("decoding", "expected", "seconds"),
    [(0.001, 0.0, 0.1), (0.020, 15 / 20, 0.4)],
)
def test_the_slower_of_decoder_and_gpu_is_the_bottleneck(
    machine: Machine, decoding: float, expected: float, seconds: float
) -> None:
    predictor = Predictor(Network(machine))
    downloads = []
    for number in range(20):
        machine.now += decoding
        downloads.append(submit(predictor, number))
    for download in downloads:
        predictor.fetch(download)
    assert machine.now == pytest.approx(seconds, abs=0.01), "copies overlap with both"
    assert predictor.idle_share() == pytest.approx(expected, abs=0.02)


def test_waits_of_the_first_images_do_not_count(machine: Machine) -> None:
    predictor = Predictor(Network(machine))
    for number in range(9):
        machine.computing.free_at += 1.0  # a search for algorithms
        machine.now += 0.020
        submit(predictor, number)
    assert predictor.idle_share() is None, "too few images"
    for number in range(9, 20):
        machine.now = max(machine.now, machine.computing.free_at) + 0.015
        submit(predictor, number)
    assert predictor.idle_share() == pytest.approx(16 / 21, abs=0.02)


def test_images_are_copied_to_pageable_memory_where_it_cannot_be_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = torch.empty
    asked = []

    def refused(*shape: object, pin_memory: bool = False, **how: object) -> torch.Tensor:
        asked.append(pin_memory)
        if pin_memory:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return empty(*shape, **how)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(torch, "empty", refused)
    assert np.array_equal(pinned_copy(image(3)).numpy(), image(3))
    monkeypatch.setattr("engine.inference.streams._MAX_PINNED", 10)
    assert np.array_equal(pinned_copy(image(4)).numpy(), image(4))
    assert asked == [True, False, False]


def test_three_streams_are_made_on_the_gpu(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    stream = torch.cuda.Stream
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: made.append(device) or stream(device))  # type: ignore[func-returns-value,no-untyped-call]
    Streams(torch.device("cuda:0"))
    assert made == [torch.device("cuda:0")] * 3
