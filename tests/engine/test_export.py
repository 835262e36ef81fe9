import errno
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import catalogue
import export_fcn
from engine import export
from engine.checkpoints import About
from engine.cli.options import size
from engine.errors import InputError
from engine.export import Check, ImageToIds
from engine.files.images import synthetic_image
from fcn.padding import Padded
from fcn.unet import UNet

ABOUT = About.untrained("some", 19, None)


def small(classes: int = 19) -> nn.Module:
    """A network that works at half the resolution, like real ones."""
    torch.manual_seed(0)
    half = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    return Padded(nn.Sequential(half, nn.ReLU(), nn.ConvTranspose2d(8, classes, 2, stride=2)), 2)


def labeller(network: nn.Module, benchmark: str = "cityscapes") -> ImageToIds:
    return ImageToIds(network, ABOUT, catalogue.benchmark(benchmark))


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_file_gives_what_the_network_gives_on_any_size(tmp_path: Path, kind: str) -> None:
    network, path = labeller(small()), tmp_path / "a"
    exported = export.export(network, path, kind, (32, 64), {"network": "some"})
    assert exported.any_size
    assert [check.agreement for check in exported.checks] == [1.0, 1.0]
    image = synthetic_image((47, 31))
    run = (export._onnx_runner if kind == "onnx" else export._torch_runner)(path)
    ids = run(image)
    assert ids.dtype == np.uint8
    assert np.array_equal(ids, network(torch.from_numpy(image)).numpy())
    assert set(ids.flatten().tolist()) <= {7, 8, 11, 12, 13, 17, 19, 20, *range(21, 29), 31, 32, 33}, "label ids"
    assert len(np.unique(ids)) > 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    if kind == "onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        assert onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map["network"] == "some"


def test_a_network_that_works_in_tiles_takes_one_size(tmp_path: Path) -> None:
    network = labeller(UNet(19, valid=True, channels=2, tile=340))
    exported = export.export(network, tmp_path / "a.onnx", "onnx", (100, 120), {})
    assert not exported.any_size
    assert [check.size for check in exported.checks] == [(100, 120)]


def test_confidences(tmp_path: Path) -> None:
    network = labeller(small(2), "kitti_road")
    exported = export.export(network, tmp_path / "a.pt2", "torch", (32, 64), {})
    confidences = export._torch_runner(exported.path)(synthetic_image((32, 64)))
    assert len(np.unique(confidences)) > 2


def test_a_file_with_other_results_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_check", lambda *_: Check((32, 64), 0.9998))
    with pytest.raises(InputError, match=r"not written: .* 99\.9800%"):
        export.export(labeller(small()), tmp_path / "a.pt2", "torch", (32, 64), {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_run_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such operator")

    for runner in (broken, lambda _: broken):  # refused when it is loaded, or when it is run
        monkeypatch.setattr(export, "_torch_runner", runner)
        with pytest.raises(InputError, match=r"not written: .* 0\.0000% .*32x64 \(no such operator\)"):
            export.export(labeller(small()), tmp_path / "a.pt2", "torch", (32, 64), {})
        assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_ends_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, _: object) -> int:
        path.touch()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match=r"a.pt2: cannot write it \(Input/output error\)"):
        export.export(labeller(small()), tmp_path / "a.pt2", "torch", (32, 64), {})
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_traced(tmp_path: Path) -> None:
    class Fickle(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image if image.mean() > 0 else -image

    with pytest.raises(InputError, match="data-dependent control flow is not supported"):
        export.export(labeller(Fickle()), tmp_path / "a.pt2", "torch", (32, 64), {})


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs onnx, onnxscript, onnxruntime; install with: pip install"):
        export.export(labeller(small()), tmp_path / "a.onnx", "onnx", (32, 64), {})


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Callable[..., str]) -> None:
    weights = tmp_path / "w.pth"
    torch.save(catalogue.network("fcn32s", 19).state_dict(), weights)
    arguments = ["--model_weights_path", str(weights), "--output", str(tmp_path / "out")]
    assert export_fcn.main([*arguments, "--format", "torch", "--size", "64x96"]) == 0
    printed = capsys.readouterr().out
    assert "fcn32s" in printed
    assert "any height and width" in printed
    assert "the same on 100.0000% of the pixels of 64x96" in printed
    path = tmp_path / "out" / "w" / "w.pt2"
    with zipfile.ZipFile(path) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"archive"}  # not a process id
    last = f'next, in Python: ids = torch.export.load("{path}").module(check_guards=False)(torch.from_numpy(image))'
    assert printed.splitlines()[-1] == last
    files: dict[str, str] = {"network": "", "weights_sha256": ""}
    torch.export.load(tmp_path / "out" / "w" / "w.pt2", extra_files=files)
    assert json.dumps(files["network"]) == '"fcn32s"'
    assert "--size 64: expected height x width" in error_of(export_fcn.main, *arguments, "--size", "64")


def test_sizes() -> None:
    assert size("1024x2048", "--size") == (1024, 2048)
    for wrong in ("0x3", "1x2x3", "ax3", "-1x3", f"{'9' * 5000}x3"):
        with pytest.raises(InputError):
            size(wrong, "--size")
