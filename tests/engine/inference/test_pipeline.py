"""Many images through a fake network; test_output.py predicts with real ones."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.arrays import Size, UInt8Array
from engine.benchmark import Sample
from engine.devices.process import Process
from engine.errors import InputError
from engine.inference.output import Predictions
from engine.inference.pipeline import Predictor, bottleneck, predict
from tests.engine.inference.gpu import Machine, Network

SAMPLES = [Sample(str(number), Path(f"{number}.png"), None) for number in range(60)]


class Written(Predictions):
    """Keeps predictions in memory instead of writing them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ".png", {})
        self.ids: dict[str, int] = {}

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        assert image.shape == (2, 3, 3)
        assert image[0, 0, 0] == prediction[0, 0]
        self.ids[sample.name] = int(prediction[0, 0])


def decode(path: Path) -> UInt8Array:
    if path.stem == "13":
        raise InputError(f"{path}: damaged")
    return np.full((2, 3, 3), int(path.stem), np.uint8)


class Plain:
    """A fake network on a CPU, whose scores are infinite for one of the images."""

    device = torch.device("cpu")
    precision = "32-true"
    bounds_memory = False

    def __init__(self, bad: int | None = None) -> None:
        self.bad = bad
        self.left = False

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.left |= int(image[0, 0, 0, 0]) == self.bad
        return image[0, 0]

    def require_finite(self) -> None:
        if self.left:
            raise InputError("beyond 65504")

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return image.float()

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.argmax(0).to(torch.uint8)

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Do nothing."""


@pytest.mark.parametrize("workers", [1, 4])
def test_a_gpu_predicts_what_a_cpu_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    machine = Machine(monkeypatch)
    givers = set()
    do = machine.do

    def noted(what: str, tensor: torch.Tensor) -> None:
        givers.add(threading.get_ident())
        do(what, tensor)

    monkeypatch.setattr(machine, "do", noted)
    predictor, written = Predictor(Network(machine)), Written(tmp_path / "out")
    monkeypatch.setattr(predictor, "decode", decode)
    faults = predict(Process(torch.device("cuda:0")), predictor, SAMPLES, written, workers=workers)
    assert faults == ["13.png: damaged"]
    assert written.ids == {sample.name: int(sample.name) for sample in SAMPLES if sample.name != "13"}
    assert givers == {threading.get_ident()}, "one thread submits all work to the GPU, in the order of the images"
    assert predictor.idle_share() is not None
    assert len(predictor.forward.asked) == 59, "the range is checked after each prediction"  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [0, 40])
def test_nothing_is_written_after_scores_that_are_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    predictor, written = Predictor(Plain(bad)), Written(tmp_path / "out")
    monkeypatch.setattr(predictor, "decode", decode)
    with pytest.raises(InputError, match=f"{bad}.png: beyond 65504"):
        predict(Process(torch.device("cpu")), predictor, SAMPLES, written, workers=2)
    assert all(number < bad for number in written.ids.values())


def test_the_size_of_a_damaged_file_is_not_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.inference.pipeline.image_size", lambda path: (9000 if path.stem == "13" else 3, 2))
    network = Plain()
    network.bounds_memory = True
    prepared: list[Size] = []
    monkeypatch.setattr(network, "prepare", prepared.append)
    predictor, written = Predictor(network), Written(tmp_path / "out")
    monkeypatch.setattr(predictor, "decode", decode)
    assert predict(Process(torch.device("cpu")), predictor, SAMPLES, written, workers=1) == ["13.png: damaged"]
    assert prepared == [Size(2, 3)]


def test_a_single_image_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(Plain(7))
    monkeypatch.setattr(predictor, "decode", decode)
    assert predictor(Path("6.png")).tolist() == [[6] * 3] * 2
    with pytest.raises(InputError, match="beyond 65504"):
        predictor(Path("7.png"))
    assert predictor.idle_share() is None, "a CPU has no idle share"


def test_the_bottleneck_is_named_with_advice() -> None:
    assert bottleneck(0.03, 8, 16) == "bottleneck: the GPU; it waited for images 3 % of the time"
    waited = "bottleneck: reading and writing images; the GPU waited for them 62 % of the time; "
    assert bottleneck(0.62, 8, 16) == waited + "raise --workers (8), this machine has 16 cores"
    assert bottleneck(0.62, 16, 16) == waited + "all 16 cores are busy with it"
