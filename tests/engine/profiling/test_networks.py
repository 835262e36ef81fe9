import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import catalogue
import profile_fcn
from engine.devices import memory, nvml
from engine.profiling import flops, networks, roofline
from engine.profiling.flops import FlopCount, Layer
from engine.profiling.networks import ProfileSettings

SIZE = (64, 96)
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["fcn8s", "unet", "fcn32s_vgg16", "unet_valid"])
def test_flops_equal_those_of_torchs_counter(name: str) -> None:
    network = catalogue.network(name, 19).eval()
    flop_count = flops.count(network, SIZE)
    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.no_grad():
        network.to("meta")(torch.zeros(1, 3, *SIZE))
    assert flop_count.flops == counter.get_total_flops() > 0
    assert flop_count.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_flops_of_a_convolution_by_hand() -> None:
    flop_count = flops.count(nn.Conv2d(3, 8, 3, padding=1, bias=False), SIZE)
    pixels = SIZE[0] * SIZE[1]
    assert flop_count == FlopCount(216, (Layer(2 * 216 * pixels, 3 * pixels + 216 + 8 * pixels),))
    assert flop_count.floor_seconds(1.0, 1e12, 4) == 2 * 216 * pixels
    assert flop_count.floor_seconds(1e12, 1.0, 4) == 4 * (11 * pixels + 216)


def test_flops_of_a_network_with_data_dependent_control_flow() -> None:
    class Fickle(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image if image.mean().item() >= 0 else -image)

    assert flops.count(Fickle(3, 4, 1), SIZE).flops == 2 * 12 * SIZE[0] * SIZE[1]


def test_allocated_memory_is_measured() -> None:
    def take(mib: int) -> memory.Memory:
        return memory.peak_of(CPU, lambda: torch.ones(mib, 1 << 20, dtype=torch.uint8).max())

    small, large = take(1), take(256)
    assert large["allocated"] == pytest.approx(256, abs=1)
    assert small["allocated"] == pytest.approx(1, abs=1)
    assert large["process"] is not None
    if large["reserved"] is not None:
        assert large["reserved"] > 200
        assert large["process"] > large["reserved"]


def test_peaks_are_positive() -> None:
    assert min(roofline.measure(CPU, "32-true", tries=1, side=64)) > 0


def test_networks_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.json"
    arguments = ["--network", "fcn32s", "--size", "64x96", "--accelerator", "cpu", "--repeats", "2"]
    assert profile_fcn.main([*arguments, "--largest_batch", "2", "--output", str(path)]) == 0
    (found,) = json.loads(path.read_text())
    assert found["network"] == "fcn32s"
    assert found["size"] == [64, 96]
    assert found["precision"] == "32-true"
    assert found["latency_ms"]["least"] <= found["latency_ms"]["median"] <= found["latency_ms"]["most"]
    assert [batch["batch_size"] for batch in found["throughput"]["tried"]] == [1, 2]
    assert set(found["stages_ms"]) >= {"decode", "transfer", "forward", "encode"}
    normalised = 4 * 3 * 64 * 96 / (1 << 20)
    assert found["engine"] == "openvino"
    assert found["memory_mib"]["allocated"] is None
    assert found["memory_mib"]["reserved"] > normalised, "what is kept for the next image counts"
    assert found["roofline"]["times_the_floor"] > 0
    assert found["environment"]["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert found["not_measured"] == {"allocated": "OpenVINO does not say what it allocates"}
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("images of 64x96, median of 2, random weights")
    assert printed[2].split()[:2] == ["fcn32s", "32-true"]
    assert printed[-1] == "next: python train_fcn.py --network fcn32s"


def test_csv_alone_is_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--network", "fcn32s", "--size", "64x96", "--accelerator", "cpu", "--repeats", "2", "--format", "csv"]
    assert profile_fcn.main([*arguments, "--largest_batch", "1", "--output", str(tmp_path / "profile.json")]) == 0
    printed = capsys.readouterr()
    (row,) = csv.DictReader(printed.out.splitlines())
    (found,) = json.loads((tmp_path / "profile.json").read_text())
    assert float(row["ms"]) == found["latency_ms"]["median"]
    assert row["allocated"] == ""
    assert "next: python train_fcn.py --network fcn32s" in printed.err


class Pretended:
    """A fake forward pass on a GPU that takes 3 ms at 500 W; its driver counts energy every 100 ms."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int = 100) -> None:
        self.now = self.joules = self.counted = 0.0
        self.most = most
        self.steps = 0
        self.formats: list[bool] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "sleep", lambda seconds: self.passing(seconds, 100))
        monkeypatch.setattr(nvml, "joules", lambda _: nvml.Reading(self.counted))

    def passing(self, seconds: float, watts: float) -> None:
        self.now += seconds
        self.joules += seconds * watts
        if int(self.now / 0.1) > self.steps:
            self.steps, self.counted = int(self.now / 0.1), self.joules

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.formats.append(image.is_contiguous(memory_format=torch.channels_last))
        self.passing(0.003, 500)
        return image

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise torch.AcceleratorError("CUDA error: out of memory")
        self.formats.append(images.is_contiguous(memory_format=torch.channels_last))
        self.passing(0.003 * len(images), 500)
        return images

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


def decoded() -> torch.Tensor:
    """An image in channels-last memory format, like a decoded file."""
    return torch.zeros(*SIZE, 3, dtype=torch.uint8).permute(2, 0, 1)[None]


def test_energy_is_measured_for_longer_than_a_step_of_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended = Pretended(monkeypatch)
    pretended.passing(0.05, 100)
    found = networks._rate(pretended, decoded(), 20, 3.0)  # type: ignore[arg-type]
    assert found.images_per_second == pytest.approx(1000 / 3)
    assert found.joules_per_image == pytest.approx(1.5, rel=0.02)
    assert pretended.now > 3


def test_images_of_a_batch_are_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended = Pretended(monkeypatch)
    settings = ProfileSettings(SIZE, "cpu", "auto", compiled=False, repeats=2, largest_batch=4)
    tried = networks._throughput(pretended, decoded(), settings, None)  # type: ignore[arg-type]
    assert [batch.batch_size for batch in tried] == [1, 2, 4]
    assert all(pretended.formats)
    assert pretended.now < 1, "the seconds are those of GPUs"


def test_throughput_ends_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended = Pretended(monkeypatch, most=2)
    settings = ProfileSettings(SIZE, "cpu", "auto", compiled=False, repeats=2, largest_batch=8)
    tried = networks._throughput(pretended, decoded(), settings, None)  # type: ignore[arg-type]
    assert [batch.stopped for batch in tried] == [None, None, "memory"]


def test_copies_are_measured_on_random_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU may copy zeros faster."""
    sources: list[torch.Tensor] = []

    def once(device: torch.device, tries: int, work: Callable[[], torch.Tensor]) -> float:
        sources.append(work())
        return 1.0

    monkeypatch.setattr(roofline, "_best", once)
    roofline.measure(CPU, "32-true", tries=1, side=64)
    assert sources[-1].dtype == torch.uint8
    assert len({*sources[-1].tolist()}) == 256


def test_wrong_options_are_refused(error_of: Callable[..., str], tmp_path: Path) -> None:
    message = error_of(
        profile_fcn.main, "--network", "fcn8s, no", "--precision", "8", "--repeats", "0", "--output", tmp_path
    )
    assert message.count("error:") == 4
    assert f"--output {tmp_path}: is a folder" in message
    assert "--network no: unknown name" in message
    assert "choose from fcn32s" in message
    message = error_of(profile_fcn.main, "--output", tmp_path / "results")
    example = tmp_path / "results" / "profile.json"
    assert f"--output {tmp_path / 'results'}: expected a file that ends in .json, for example {example}" in message
