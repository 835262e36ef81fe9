"""Weights of another type or of an impossible network are refused before anything is built with them."""

from pathlib import Path
from typing import Any

import pytest
import torch

import catalogue
from bench import tiny
from catalogue.weights import load_backbone, load_network, load_network_for, transfer
from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError
from engine.files.atomic import sha256
from fcn.weights import cached_imagenet

BENCHMARK = catalogue.benchmark("camvid")


def saved(path: Path, **changes: Any) -> Path:
    """Weights of a small network, some of them changed."""
    torch.manual_seed(0)
    weights = tiny.build(11).state_dict()
    checkpoints.save(path, {**weights, **changes}, About.untrained(tiny.NAME, 11, "camvid"))
    return path


def name_of_a_weight() -> str:
    return next(name for name, value in tiny.build(11).state_dict().items() if value.ndim == 4)


def test_the_hash_is_passed_on(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth")
    network, about, digest = load_network_for(BENCHMARK, path)
    assert digest == sha256(path)
    assert about.network == tiny.NAME
    assert all(map(torch.equal, network.state_dict().values(), tiny_state().values()))


def tiny_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(tiny.build(11).state_dict())


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.bool, torch.int64])
def test_integers_instead_of_floats(tmp_path: Path, dtype: torch.dtype) -> None:
    name = name_of_a_weight()
    path = saved(tmp_path / "x.pth", **{name: tiny_state()[name].to(dtype)})
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(InputError, match=f"wrong type: {name} is {kind}, expected float32"):
        load_network(path)
    _, report = transfer(tiny.build(11), path)
    assert f"skipped: {name}\n" in report


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_another_width_are_cast(tmp_path: Path, dtype: torch.dtype) -> None:
    name = name_of_a_weight()
    network = load_network(saved(tmp_path / "x.pth", **{name: tiny_state()[name].to(dtype)})).network
    assert network.state_dict()[name].dtype == torch.float32


def test_a_network_that_a_file_may_not_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    checkpoints.save(path, tiny_state(), About.untrained("os:_exit", 11, "camvid"))
    with pytest.raises(InputError, match=r"x\.pth: its network os:_exit: a module of Python's standard library"):
        load_network(path)


def test_numbers_that_a_network_cannot_hold(tmp_path: Path) -> None:
    name = name_of_a_weight()
    huge = torch.full_like(tiny_state()[name], 1e200, dtype=torch.float64)
    with pytest.raises(InputError, match=f"NaN or infinite in float32 in 1 of .*{name}"):
        load_network(saved(tmp_path / "x.pth", **{name: huge}))


@pytest.mark.parametrize(
    "weights",
    [
        {"score_pool_32.weight": torch.ones(()), "vgg.os_8.0.weight": torch.ones(())},
        {"score_pool_32.weight": torch.ones(0, 1, 1, 1), "vgg.os_8.0.weight": torch.ones(1, 1, 1, 1)},
        {"score_pool_32.weight": torch.ones(999, 1, 1, 1), "vgg.os_8.0.weight": torch.ones(1, 1, 1, 1)},
        {"score_fr.weight": torch.ones(5), "conv1_1.weight": torch.ones(5)},
        {"score_fr.weight": torch.ones(5, 1, 1, 1), "conv1_1.weight": torch.ones(5)},
        {"score.weight": torch.ones(()), "down.0.0.weight": torch.ones(2)},
    ],
)
def test_known_names_with_impossible_tensors(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    torch.save(weights, tmp_path / "x.pth")
    with pytest.raises(InputError, match="an unknown network"):
        load_network(tmp_path / "x.pth")


def test_a_backbone_of_integers_or_with_odd_names(
    tmp_path: Path, pretrained: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = catalogue.network("fcn32s", 3)
    path = tmp_path / "x.pth"
    for changed in ({**pretrained, "features.0.weight": pretrained["features.0.weight"].to(torch.int8)}, {5: 1}):
        monkeypatch.setattr(torch, "load", lambda *_, changed=changed, **__: changed)
        path.touch()
        with pytest.raises(InputError, match=r"features\.0\.weight|os_8\.0\.weight is int8|expected a state dict"):
            load_backbone(network, str(path))


def test_imagenet_weights_that_were_damaged_in_the_cache(
    tmp_path: Path, pretrained: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch compares the hash in the file name only when it downloads the file."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = cached_imagenet("vgg11_bn")
    path.parent.mkdir()
    torch.save(pretrained, path)
    network = catalogue.network("fcn32s", 3)
    with pytest.raises(InputError, match=f"{path}: damaged, its SHA-256 begins with .*; remove it to"):
        load_backbone(network, "imagenet")
    named = path.with_name(f"vgg11_bn-{sha256(path)[:8]}.pth")
    path.rename(named)
    monkeypatch.setattr("fcn.weights.imagenet_url", lambda _: named.name)
    load_backbone(network, "imagenet")
    named.write_bytes(named.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"damaged.*; remove it to download it again"):
        load_backbone(network, "imagenet")
