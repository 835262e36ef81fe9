"""Custom networks and benchmarks, by import path."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import catalogue
import test_fcn
import train_fcn
from catalogue import import_path
from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Benchmark
from engine.errors import InputError

SOURCE = """
from torch import nn
from cityscapes.dataset import CityscapesBenchmark

def build(num_classes):
    return nn.Conv2d(3, num_classes, 3, padding=1)

def half(num_classes):
    return nn.Conv2d(3, num_classes, 3, stride=2, padding=1)

def picky(num_classes):
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4 * num_classes, 1), nn.PixelShuffle(2))

def broken(num_classes):
    raise RuntimeError("no such encoder")

def nothing(num_classes):
    return num_classes

three = 3

class Mine(CityscapesBenchmark):
    name = "mine"
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package in the current directory, whose modules are removed afterwards."""
    package = tmp_path / "here" / "own_package"
    package.mkdir(parents=True)
    (package / "parts.py").write_text(SOURCE)
    (package / "needy.py").write_text("import a_library_that_is_not_there")
    (package / "typo.py").write_text("def build(:")
    monkeypatch.chdir(package.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_package"]:
        del sys.modules[name]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler; install g++")
def test_a_compiled_network_learns_the_same(demo_root: Path, tmp_path: Path) -> None:
    arguments = "--network own_package.parts:build --epochs 1 --batch_size 2 --crop_size 32 --workers 0"
    places = ["--root", str(demo_root), "--accelerator", "cpu", "--saved", str(tmp_path / "saved")]
    learned = []
    for compiled in ("false", "true"):
        assert train_fcn.main([*arguments.split(), *places, "--compile", compiled, "--name", compiled]) == 0
        learned.append(torch.load(tmp_path / "saved" / compiled / "best.pth", weights_only=True)["weights"])
    plain, compiled_too = learned
    assert list(plain) == list(compiled_too)
    assert all(torch.allclose(plain[name], compiled_too[name], atol=1e-5) for name in plain)


def test_a_custom_network_trains_and_is_found_again(demo_root: Path, tmp_path: Path) -> None:
    arguments = "--network own_package.parts:build --epochs 1 --batch_size 2 --crop_size 32 --workers 0"
    places = ["--root", str(demo_root), "--accelerator", "cpu"]
    saved = ["--saved", str(tmp_path / "saved"), "--name", "a"]
    assert train_fcn.main([*arguments.split(), *places, *saved]) == 0
    best = tmp_path / "saved" / "a" / "best.pth"
    assert torch.load(best, weights_only=True)["about"]["network"] == "own_package.parts:build"
    predicting = ["--model_weights_path", str(best), "--output", str(tmp_path / "outputs"), "--workers", "1"]
    assert test_fcn.main([*predicting, *places, "--split", "val", "--profile_images", "0"]) == 0
    assert (tmp_path / "outputs" / "a" / "val" / "scores.json").is_file()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_package.parts:build", "no module no_such_package; expected it to be installed, or a file in"),
        ("own_package.needy", "own_package.needy needs a_library_that_is_not_there, which is not installed"),
        ("own_package.typo:build", "cannot be imported: SyntaxError"),
        ("own_package.parts:construct", "there is no construct in .*; it defines .*build"),
        ("own_package.parts:three", "got a int; expected a function"),
        (
            "own_package.parts:broken",
            r"cannot be built for 5 classes: RuntimeError: no such encoder \(.*parts.py, line",
        ),
        ("own_package.parts:nothing", "returned a int; expected a torch.nn.Module"),
        ("own_package.parts:half", r"gave \(1, 5, 32, 32\), expected \(1, 5, 64, 64\)"),
        ("own_package.parts:picky", r"fails on an image of \(1, 3, 65, 97\).*fcn.padding.Padded"),
    ],
)
def test_faults_of_custom_networks_are_reported(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        catalogue.network(path, 5)


def test_a_custom_benchmark_is_found() -> None:
    for path in ("own_package.parts", "own_package.parts:Mine"):
        assert catalogue.benchmark(path).name == "mine"
    Path("own_package/instance.py").write_text("from own_package.parts import Mine\nBENCHMARK = Mine()")
    assert catalogue.benchmark("own_package.instance").name == "mine"
    assert isinstance(catalogue.benchmark("cityscapes"), CityscapesBenchmark)


def test_faults_of_custom_benchmarks_are_reported() -> None:
    assert f"{Benchmark.__module__}.{Benchmark.__qualname__}" == "engine.benchmark.Benchmark", "messages name it"
    Path("own_package/two.py").write_text("from own_package.parts import *")
    with pytest.raises(InputError, match=r"0 subclasses of engine.benchmark.Benchmark are defined in"):
        catalogue.benchmark("own_package.two")
    with pytest.raises(InputError, match=r"got a int; expected an engine.benchmark.Benchmark"):
        catalogue.benchmark("own_package.parts:three")


@pytest.mark.parametrize("path", ["os:_exit", "sys:exit", "os.path:exists", "time:sleep", "builtins:range"])
def test_a_weights_file_cannot_call_the_standard_library(path: str) -> None:
    with pytest.raises(InputError, match="a module of Python's standard library"):
        import_path.network(path, 19)
