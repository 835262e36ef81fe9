"""OpenVINO instead of torch: equal scores, programs on disk, and refused networks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import catalogue
from engine.arrays import Size
from engine.checkpoints import About
from engine.devices.process import Process, find_process
from engine.errors import InputError
from engine.inference import openvino
from engine.inference.memory_budget import MemoryBudget
from engine.inference.network import Engine, NetworkSegmenter
from engine.inference.openvino import RefusedError, StripNetwork, WholeNetwork, compile_network, halo_and_stride
from engine.inference.test_time_augmentation import TtaOptions, TtaSegmenter
from engine.inference.tiles import TiledSegmenter
from fcn.fcn import PaperFCN
from fcn.unet import UNet


def with_random_scores(network: nn.Module) -> nn.Module:
    """Fill the score layers with random weights, because FCNs begin with zeros."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "score_pool" in name:
                weight.normal_(std=0.1, generator=random)
    return network.eval().requires_grad_(False)


def fcn8s() -> nn.Module:
    torch.manual_seed(0)
    return with_random_scores(catalogue.network("fcn8s", 19))


def forward(
    network: nn.Module, engine: Engine = "openvino", precision: str = "32-true", **how: Any
) -> NetworkSegmenter:
    about = About.untrained("some", 19, "cityscapes")
    process = Process(torch.device("cpu"), precision)
    cache = openvino.default_cache()  # shared by all tests
    return NetworkSegmenter(
        process, network, about, catalogue.benchmark("cityscapes"), engine=engine, cache=cache, **how
    )


def image(height: int, width: int, number: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8, generator=random)


def close(got: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-4) -> bool:
    return bool((got - expected).abs().max() <= tolerance * expected.abs().max())


@pytest.mark.parametrize("size", [(64, 96), (300, 77)])
def test_an_fcn_gives_what_torch_gives(size: tuple[int, int]) -> None:
    ours, reference = forward(fcn8s()), forward(fcn8s(), "torch")
    assert (ours.engine, reference.engine) == ("openvino", "torch")
    pixels = image(*size)
    assert close(ours.logits(pixels), reference.logits(pixels))
    ids = ours(pixels)
    assert (ids == reference(pixels)).float().mean() > 0.999
    assert len(set(ids.flatten().tolist())) > 2


def test_strips_give_the_scores_of_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    network = fcn8s()
    ready = compile_network(network, "32-true", openvino.default_cache())
    assert isinstance(ready, StripNetwork)
    pixels = torch.randn(2, 3, 160, 64)
    with torch.inference_mode():
        whole = ready.coarse(pixels)
        monkeypatch.setattr(openvino, "_ROWS", 32)
        assert close(ready.coarse(pixels), whole, 1e-6)
        assert close(whole, network.coarse(pixels))  # type: ignore[operator]


def test_a_stem_with_a_global_receptive_field_is_refused() -> None:
    """No halo is wide enough for a mean over all rows."""

    class Mean(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features - features.mean(-2, keepdim=True)

    network = fcn8s()
    network.vgg.os_8.append(Mean())  # type: ignore[union-attr, operator]
    with pytest.raises(RefusedError, match="differ from torch's"):
        compile_network(network, "32-true")


def test_the_papers_fcn_with_its_padding_and_odd_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_ROWS", 64)
    torch.manual_seed(0)
    network = with_random_scores(PaperFCN(5, 16, fc_channels=8))
    pixels = torch.randn(1, 3, 45, 70)
    with torch.inference_mode():
        assert close(compile_network(network, "32-true")(pixels), network(pixels))


def test_the_halo_of_layers() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    assert halo_and_stride(layers) == (4, 2), "1 + 2, up to a multiple of 2"
    assert halo_and_stride(fcn8s().vgg.os_8) == (16, 8)  # type: ignore[union-attr, arg-type]


def test_other_networks_run_as_one_program_and_in_batches() -> None:
    torch.manual_seed(0)
    network = UNet(4, channels=8).eval()
    ready = compile_network(network, "32-true")
    assert isinstance(ready, WholeNetwork)
    pixels = torch.randn(3, 3, 50, 61)
    with torch.inference_mode():
        assert close(ready(pixels), network(pixels))


def test_bf16_is_near() -> None:
    pixels = image(64, 96)
    if not openvino.computes_in_bf16():
        pytest.skip("this processor has no bf16 instructions")
    ours, exact = forward(fcn8s(), precision="bf16-mixed"), forward(fcn8s(), "torch", exact=True)
    assert ours.precision == "bf16-mixed"
    assert close(ours.logits(pixels), exact.logits(pixels), 0.05)


def test_a_processor_without_bf16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openvino, "computes_in_bf16", lambda: False)
    network = nn.Conv2d(3, 19, 1)
    assert forward(network, precision="bf16-mixed").precision == "32-true"
    assert "this processor has no bf16 instructions" in capsys.readouterr().err


def test_tiles_and_test_time_augmentation_work_with_openvino() -> None:
    plain = forward(nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 19, 3, padding=1)).eval())
    assert plain.engine == "openvino"
    pixels = image(200, 260)
    tiled = TiledSegmenter(plain, max_pixels=20_000)
    assert (tiled(pixels) == plain(pixels)).float().mean() > 0.9999
    tta = TtaOptions(scales=(0.5, 1.5), flip=True)
    expected = TtaSegmenter(plain, tta).probabilities(pixels)
    assert TtaSegmenter(tiled, tta).probabilities(pixels).allclose(expected, atol=1e-5)


def test_a_budget_counts_the_memory_of_openvino() -> None:
    plain = forward(nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 19, 1)).eval())
    budget = MemoryBudget(plain.device, plain.trial, plain.release, 1e6)
    small, large = budget.peak(Size(200, 256)), budget.peak(Size(1000, 1024))
    assert large - small > 150, "64 and 19 channels of float32 are 317 MiB of the larger one"


def compilations(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """A list that collects the parts converted from now on."""
    converted = []
    convert = openvino._converted

    def noted(part: nn.Module, example: torch.Tensor) -> Any:
        converted.append(part)
        return convert(part, example)

    monkeypatch.setattr(openvino, "_converted", noted)
    return converted


def test_programs_are_kept_for_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = compilations(monkeypatch)
    network, pixels = UNet(4, channels=8).eval(), torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        first = compile_network(network, "32-true", tmp_path / "cache")(pixels)
        again = compile_network(network, "32-true", tmp_path / "cache")(pixels)
        assert len(converted) == 1
        assert torch.equal(first, again)
        with torch.no_grad():
            network.score.bias.add_(1)  # type: ignore[union-attr]
        assert close(compile_network(network, "32-true", tmp_path / "cache")(pixels), network(pixels))
        assert len(converted) == 2, "other weights"


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[: len(content) // 2]])
def test_a_damaged_program_is_compiled_again(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, pixels = UNet(4, channels=8).eval(), torch.randn(1, 3, 32, 48)
    compile_network(network, "32-true", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    converted = compilations(monkeypatch)
    with torch.inference_mode():
        assert close(compile_network(network, "32-true", tmp_path)(pixels), network(pixels))
    assert len(converted) == 1


def test_old_programs_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_MAX_CACHE", 1000)
    for name, age in (("old", 100), ("recent", 50)):
        (tmp_path / f"{name}.blob").write_bytes(bytes(990))
        os.utime(tmp_path / f"{name}.blob", (1e9 - age, 1e9 - age))
    compile_network(nn.Conv2d(3, 4, 1).eval(), "32-true", tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.stem not in ("old", "recent"), "the new one is larger than the limit, and stays"


def test_a_cache_that_cannot_be_written_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    compile_network(nn.Conv2d(3, 4, 1).eval(), "32-true", tmp_path / "file" / "cache")


class Sides(nn.Module):
    """A network that runs another layer for other widths, of which tracing records one."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.high = nn.Conv2d(3, 19, 1), nn.Conv2d(3, 19, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        wide = image.shape[-1] == 97
        logits: torch.Tensor = (self.wide if wide else self.high)(image)
        return logits


def test_a_network_that_tracing_changes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RefusedError, match="differ from torch's"):
        compile_network(Sides().eval(), "32-true")
    with pytest.raises(InputError, match=r"--engine openvino: OpenVINO does not run this network .*--engine torch"):
        forward(Sides())
    assert forward(Sides(), "auto").engine == "torch"
    assert "warning: OpenVINO does not run this network" in capsys.readouterr().err


def test_options_that_exclude_openvino() -> None:
    network = nn.Conv2d(3, 19, 1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"exact": True}, "--precision 32-true"),
        ({"compiled": True}, "--compile"),
    ]
    for how, flag in cases:
        assert forward(network, "auto", **how).engine == "torch"
        with pytest.raises(InputError, match=f"--engine openvino with {flag}"):
            forward(network, **how)


def test_without_openvino_torch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    network = nn.Conv2d(3, 19, 1)
    assert forward(network, "auto").engine == "torch"
    with pytest.raises(InputError, match="OpenVINO is not installed; run pip install openvino, or give --engine torch"):
        forward(network)


def test_the_cache_is_in_the_caches_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert openvino.default_cache().is_relative_to(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert openvino.default_cache().is_relative_to(Path.home())


def test_programs_still_run_after_release() -> None:
    plain = forward(fcn8s())
    assert find_process("cpu", "auto").precision == plain.precision
    pixels = image(64, 64)
    before = plain(pixels)
    plain.release()
    assert torch.equal(plain(pixels), before)


SIGNALLED = """
import gc, signal, subprocess, sys, threading
from torch import nn
from engine.inference import openvino

signal.signal(signal.SIGCHLD, lambda *_: None)
ready = [openvino.compile_network(nn.Conv2d(3, 4, 1).eval(), "32-true")]

def drop():
    ready.clear()
    gc.collect()

thread = threading.Thread(target=drop)
thread.start()
thread.join()
taken = [bytearray(1 << 16) for _ in range(200)]
subprocess.run([sys.executable, "-c", ""])
"""


def test_a_signal_is_handled_after_another_thread_has_dropped_a_network() -> None:
    """OpenVINO's runtime frees the stack on which the main thread handles signals."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", SIGNALLED], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-500:]


def test_conversions_are_not_reported(tmp_path: Path) -> None:
    """OpenVINO's telemetry would create a folder in the home folder, and start a thread."""
    program = (
        "import sys, threading; from torch import nn; from engine.inference import openvino\n"
        "openvino.compile_network(nn.Conv2d(3, 4, 1).eval(), '32-true')\n"
        "print(threading.active_count(), sys.modules['openvino_telemetry'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env={**environment, "HOME": str(tmp_path)}, check=True, capture_output=True, text=True)
    assert done.stdout == "1 None\n"
    assert not list(tmp_path.iterdir())
