import errno
import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import catalogue
import profile_fcn
import test_fcn
import train_fcn
from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.checkpoints import About
from engine.devices.process import Process, find_process
from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.images import write_png
from engine.inference.network import NetworkSegmenter
from engine.inference.output import Predictions
from engine.inference.pipeline import Predictor, predict
from engine.layers import fold_norms


@pytest.mark.parametrize("name", ["fcn8s", "fcn16s_vgg16", "unet"])
@pytest.mark.parametrize("size", [(64, 96), (101, 77)])
def test_fused_layers_give_what_the_network_gives(name: str, size: tuple[int, int]) -> None:
    benchmark, process = catalogue.benchmark("cityscapes"), find_process("cpu", "32-true")
    about = About.untrained(name, 19, "cityscapes")
    torch.manual_seed(0)
    weights = catalogue.network(name, 19).state_dict()
    random = torch.Generator().manual_seed(0)
    for key, value in weights.items():
        if key.startswith("score"):  # FCNs begin with scores of zero
            value.normal_(generator=random)
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=random)
    forwards = []
    for exact in (True, False):
        network = catalogue.network(name, 19)
        network.load_state_dict(weights)
        forwards.append(NetworkSegmenter(process, network, about, benchmark, exact=exact, engine="torch"))
    plain, fused = (forward.logits(image) for forward in forwards)
    assert torch.allclose(plain, fused, rtol=1e-3, atol=1e-4 * plain.abs().max().item())
    ids = [forward(image) for forward in forwards]
    assert len(set(ids[0].flatten().tolist())) > 1
    assert (ids[0] == ids[1]).float().mean() >= 0.999


class Tapped(nn.Module):
    """A network that reads the results of layers inside a `Sequential`."""

    def __init__(self) -> None:
        super().__init__()
        layers = (layer for _ in range(3) for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()))
        self.first, self.features = nn.Conv2d(3, 16, 1), nn.Sequential(*layers)
        self.score = nn.Conv2d(16, 19, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features, total = self.first(image), torch.zeros(())
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number % 3 == 2:
                total = total + features
        logits: torch.Tensor = self.score(total)
        return logits


def test_networks_that_are_not_fusible_are_not_fused() -> None:
    about = About.untrained("some", 19, "cityscapes")
    image = torch.randint(0, 256, (1, 3, 33, 47), dtype=torch.uint8)
    found = []
    for exact in (True, False):
        torch.manual_seed(0)
        forward = NetworkSegmenter(
            find_process("cpu", "32-true"),
            Tapped(),
            about,
            catalogue.benchmark("cityscapes"),
            exact=exact,
            engine="torch",
        )
        found.append(forward.logits(image))
    assert torch.equal(*found)


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_layers_with_hooks_are_not_replaced(register: str) -> None:
    sequence = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()).eval()
    getattr(sequence[0], register)(lambda *_: None)
    fold_norms(sequence)
    assert [type(layer) for layer in sequence] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler; install g++")
@pytest.mark.parametrize("name", ["fcn8s", "unet"])
def test_compiled_steps_give_the_same(name: str) -> None:
    benchmark = catalogue.benchmark("cityscapes")
    about = About.untrained(name, 19, "cityscapes")
    torch.manual_seed(0)
    weights = catalogue.network(name, 19).state_dict()
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    found = []
    for compiled in (False, True):
        network = catalogue.network(name, 19)
        network.load_state_dict(weights)
        found.append(
            NetworkSegmenter(
                find_process("cpu", "32-true"), network, about, benchmark, compiled=compiled, engine="torch"
            )
        )
    assert found[1].precision == "32-true"
    plain, compiled_too = (forward.logits(image) for forward in found)
    assert torch.allclose(plain, compiled_too, rtol=1e-3, atol=1e-4 * plain.abs().max().item())
    ids, ids_too = (forward(image) for forward in found)
    assert (ids == ids_too).float().mean() >= 0.999


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch, error_of: Callable[..., str]) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    for main in (train_fcn.main, profile_fcn.main):
        assert "no-such-compiler was not found; install g++" in error_of(main, "--compile", "true")
    assert "install g++" in error_of(test_fcn.main, "--model_weights_path", "x.pth", "--compile", "true")


@pytest.mark.parametrize("name", ["fcn8s", "unet"])
def test_numbers_beyond_the_range_of_fp16_are_refused(name: str) -> None:
    about = About.untrained(name, 19, "cityscapes")
    process = Process(torch.device("cpu"), "16-mixed")
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    for factor in (1, 1e6):
        network = catalogue.network(name, 19)
        last = next(layer for layer in reversed(list(network.modules())) if isinstance(layer, nn.BatchNorm2d))
        last.weight.data *= factor
        forward = NetworkSegmenter(process, network, about, catalogue.benchmark("cityscapes"), engine="torch")
        forward.require_finite()
        assert forward(image).shape == (32, 32)
        if factor == 1:
            forward.require_finite()
        else:
            with pytest.raises(InputError, match="beyond 65504"):
                forward.require_finite()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(("name", "factor"), [("fcn32s", 1e20), ("fcn32s", math.nan), ("bench.tiny:build", math.inf)])
def test_scores_that_are_not_finite_are_refused_in_every_precision(precision: str, name: str, factor: float) -> None:
    """This includes finite coarse scores that leave the range of float32 in the last upsampling."""
    network = catalogue.network(name, 19)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    for layer in layers[-2:] if factor == 1e20 else layers[:1]:
        layer.weight.data *= factor
    about = About.untrained(name, 19, "cityscapes")
    process = Process(torch.device("cpu"), precision)
    its = catalogue.benchmark("cityscapes")
    forward = NetworkSegmenter(process, network, about, its, engine="torch", source="x.pth")
    forward(torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8))
    with pytest.raises(InputError, match=r"x\.pth: computes scores that are NaN or infinite"):
        forward.require_finite()


def test_a_full_disk_ends_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = About.untrained("some", 19, "cityscapes")
    process = find_process("cpu", "auto")
    predictor = Predictor(
        NetworkSegmenter(process, nn.Conv2d(3, 19, 1), about, catalogue.benchmark("cityscapes"), engine="torch")
    )
    samples = [Sample(str(number), tmp_path / f"{number}.png", None) for number in range(3)]
    for sample in samples:
        write_png(sample.image, np.zeros((8, 8, 3), np.uint8))
    predictions = Predictions(tmp_path / "predictions", ".png", {})

    def encode(path: Path, prediction: UInt8Array, **_: object) -> None:
        with replacing(path) as file:
            file.write(b"some")
            if path.name == "1.png":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("engine.inference.output.write_png", encode)
    with pytest.raises(InputError, match=r"1\.png: cannot write it \(No space left on device\)"):
        predict(process, predictor, samples, predictions, workers=1)
    assert predictions.path(samples[0]).is_file()
    assert not predictions.path(samples[1]).is_file()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
def test_images_transferred_by_several_threads_are_not_mixed_up(compiled: bool) -> None:
    """Each image gets the prediction that it gets alone, when several threads transfer many images."""
    benchmark = catalogue.benchmark("cityscapes")
    about = About.untrained("fcn8s", 19, "cityscapes")
    torch.manual_seed(0)
    forward = NetworkSegmenter(
        find_process("gpu", "auto"), catalogue.network("fcn8s", 19), about, benchmark, compiled=compiled
    )
    predictor = Predictor(forward)
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (256, 512, 3), np.uint8) for _ in range(64)]
    for image in images[:4]:  # the first ones of a size run without the graph and the algorithms of the others
        forward(predictor.transfer(image))
    alone = []
    for image in images:
        alone.append(predictor.fetch(forward(predictor.transfer(image))))
        torch.cuda.synchronize()
    with ThreadPoolExecutor(4) as readers, ThreadPoolExecutor(4) as writers:
        predicted = [forward(image) for image in readers.map(predictor.transfer, images)]
        together = list(writers.map(predictor.fetch, predicted))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_first_of_equal_classes_wins() -> None:
    about = About.untrained("some", 19, "cityscapes")
    benchmark = catalogue.benchmark("cityscapes")
    forward = NetworkSegmenter(find_process("cpu", "32-true"), nn.Conv2d(3, 19, 1), about, benchmark, engine="torch")
    logits = torch.randint(0, 3, (19, 500), generator=torch.Generator().manual_seed(0)).float()
    expected = torch.from_numpy(benchmark.prediction_ids)[torch.from_numpy(logits.numpy().argmax(0))]
    assert torch.equal(forward.classify(logits), expected)
