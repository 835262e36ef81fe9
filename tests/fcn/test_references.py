"""Every architecture against a reference written from its paper, with weights that are loaded as foreign ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional

import catalogue.weights
from engine.errors import InputError
from engine.normalization import Normalize
from fcn.weights import CAFFE_MEAN, identify
from tests.fcn.random_weights import (
    CLASSES,
    SIZES,
    Weights,
    assert_equal_logits,
    named,
    random_convolution,
    random_norm,
)

PER_STAGE = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}
WIDTHS = (64, 128, 256, 512, 512)


def vgg_features(
    image: torch.Tensor, convolutions: Iterator[Weights], per_stage: tuple[int, ...], *, pad: int, ceil: bool
) -> list[torch.Tensor]:
    """The outputs of the five poolings, by VGG's table 1; the first convolution pads by `pad`."""
    pools = []
    features, padding = image, pad
    for count in per_stage:
        for _ in range(count):
            w = next(convolutions)
            features = functional.conv2d(features, w["weight"], w["bias"], padding=padding)
            padding = 1
            if "running_mean" in w:
                norm = (w["running_mean"], w["running_var"], w["gamma"], w["beta"])
                features = functional.batch_norm(features, *norm)
            features = features.relu()
        features = functional.max_pool2d(features, 2, 2, ceil_mode=ceil)
        pools.append(features)
    return pools


# The light form


def light_weights(backbone: str, stride: int) -> Weights:
    """Random weights under the names of the original FCN8s repository: vgg.os_8.0.weight, score_pool_32.weight, ..."""
    weights: Weights = {}
    place, part, channels = 0, 8, 3
    for stage, count in enumerate(PER_STAGE[backbone.removesuffix("_bn")]):
        if stage >= 3:
            place, part = 0, 2 * part
        for _ in range(count):
            weights |= named(f"vgg.os_{part}.{place}", random_convolution(channels, WIDTHS[stage], 3))
            channels = WIDTHS[stage]
            if backbone.endswith("_bn"):
                weights |= named(f"vgg.os_{part}.{place + 1}", random_norm(channels))
                place += 1
            place += 2
        place += 1  # the pooling
    for level in (32, 16, 8):
        if level >= stride:
            weights |= named(f"score_pool_{level}", random_convolution(256 if level == 8 else 512, CLASSES, 1))
            factor = level if level == stride else 2
            weights[f"upscore_{level}.weight"] = 0.2 * torch.randn(CLASSES, CLASSES, 2 * factor, 2 * factor)
    return weights


def light_convolutions(weights: Weights) -> Iterator[Weights]:
    for key, value in weights.items():
        if key.startswith("vgg.") and value.ndim == 4:
            head, place, _ = key.rsplit(".", 2)
            w = {"weight": value, "bias": weights[f"{head}.{place}.bias"]}
            norm = f"{head}.{int(place) + 1}"
            if f"{norm}.running_mean" in weights:
                w |= {"gamma": weights[f"{norm}.weight"], "beta": weights[f"{norm}.bias"]}
                w |= {name: weights[f"{norm}.{name}"] for name in ("running_mean", "running_var")}
            yield w


def light_reference(image: torch.Tensor, weights: Weights, backbone: str, stride: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    canvas = torch.zeros(len(image), 3, -(-height // 32) * 32, -(-width // 32) * 32)
    canvas[..., :height, :width] = image
    per_stage = PER_STAGE[backbone.removesuffix("_bn")]
    pools = vgg_features(canvas, light_convolutions(weights), per_stage, pad=1, ceil=False)
    total: torch.Tensor | None = None
    for level, features in ((32, pools[4]), (16, pools[3]), (8, pools[2])):
        if level < stride:
            break
        score = functional.conv2d(features, weights[f"score_pool_{level}.weight"], weights[f"score_pool_{level}.bias"])
        total = score if total is None else total + score
        factor = level if level == stride else 2
        total = functional.conv_transpose2d(
            total, weights[f"upscore_{level}.weight"], stride=factor, padding=factor // 2
        )
    assert total is not None
    return total[..., :height, :width]


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("backbone", ["vgg11_bn", "vgg16", "vgg16_bn"])
def test_the_light_form(backbone: str, stride: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = light_weights(backbone, stride)
    torch.save(weights, tmp_path / "foreign.pth")
    network, about, _ = catalogue.weights.load_network(tmp_path / "foreign.pth")
    assert about.network == f"fcn{stride}s" + ("" if backbone == "vgg11_bn" else f"_{backbone}")
    assert (about.num_classes, about.benchmark) == (CLASSES, None)
    network.eval()
    for size in SIZES:
        image = torch.randn(1, 3, *size)
        with torch.inference_mode():
            assert_equal_logits(network(image), light_reference(image, weights, backbone, stride))


# The paper's form, under the names of wkentaro/pytorch-fcn


@pytest.fixture(scope="module")
def caffe_backbone() -> Weights:
    """Random VGG16 with fc6 and fc7 of full width; the first filters are scaled for values of about a hundred."""
    torch.manual_seed(1)
    weights: Weights = {}
    channels = 3
    for stage, count in enumerate(PER_STAGE["vgg16"]):
        for number in range(count):
            weights |= named(f"conv{stage + 1}_{number + 1}", random_convolution(channels, WIDTHS[stage], 3))
            channels = WIDTHS[stage]
    weights["conv1_1.weight"] /= 100
    weights |= named("fc6", random_convolution(512, 4096, 7))
    return weights | named("fc7", random_convolution(4096, 4096, 1))


def caffe_head(stride: int) -> Weights:
    weights = named("score_fr", random_convolution(4096, CLASSES, 1))
    kernels = {32: {"upscore": 64}, 16: {"upscore2": 4, "upscore16": 32}}.get(
        stride, {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16}
    )
    if stride <= 16:
        weights |= named("score_pool4", random_convolution(512, CLASSES, 1, gain=1))
    if stride == 8:
        weights |= named("score_pool3", random_convolution(256, CLASSES, 1, gain=1))
    return weights | {f"{key}.weight": 0.2 * torch.randn(CLASSES, CLASSES, k, k) for key, k in kernels.items()}


def caffe_reference(image: torch.Tensor, w: Weights, stride: int, pool_scales: tuple[float, float]) -> torch.Tensor:
    """BGR images from 0 to 255 minus the mean -> scores, by the prototxt of the authors."""
    height, width = image.shape[-2:]

    def conv(features: torch.Tensor, name: str) -> torch.Tensor:
        return functional.conv2d(features, w[f"{name}.weight"], w[f"{name}.bias"])

    def up(scores: torch.Tensor, name: str, factor: int) -> torch.Tensor:
        return functional.conv_transpose2d(scores, w[f"{name}.weight"], stride=factor)

    def crop(scores: torch.Tensor, offset: int, height: int, width: int) -> torch.Tensor:
        return scores[:, :, offset : offset + height, offset : offset + width]

    layers = (
        {"weight": w[f"{key}.weight"], "bias": w[f"{key}.bias"]}
        for key in (f"conv{stage}_{n}" for stage, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1))
    )
    pools = vgg_features(image, layers, PER_STAGE["vgg16"], pad=100, ceil=True)
    coarse = conv(conv(conv(pools[4], "fc6").relu(), "fc7").relu(), "score_fr")
    if stride == 32:
        return crop(up(coarse, "upscore", 32), 19, height, width)
    at_16 = up(coarse, "upscore2", 2)
    at_16 = at_16 + crop(conv(pools[3] * pool_scales[0], "score_pool4"), 5, *at_16.shape[2:])
    if stride == 16:
        return crop(up(at_16, "upscore16", 16), 27, height, width)
    at_8 = up(at_16, "upscore_pool4", 2)
    at_8 = at_8 + crop(conv(pools[2] * pool_scales[1], "score_pool3"), 9, *at_8.shape[2:])
    return crop(up(at_8, "upscore8", 8), 31, height, width)


@pytest.mark.parametrize(
    ("arch", "stride", "name"),
    [
        ("FCN32s", 32, "fcn32s_paper"),
        ("FCN16s", 16, "fcn16s_paper"),
        ("FCN8s", 8, "fcn8s_paper"),
        ("FCN8sAtOnce", 8, "fcn8s_paper_at_once"),
    ],
)
def test_the_papers_form(
    arch: str, stride: int, name: str, caffe_backbone: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    weights = caffe_backbone | caffe_head(stride)
    content = {"epoch": 3, "arch": arch, "model_state_dict": weights}
    monkeypatch.setattr(torch, "load", lambda *_, **__: content)  # half a gigabyte in memory instead of on the disk
    (tmp_path / "model_best.pth.tar").touch()
    network, about, _ = catalogue.weights.load_network(tmp_path / "model_best.pth.tar")
    assert (about.network, about.num_classes, about.benchmark) == (name, CLASSES, None)
    network.eval()
    normalize = Normalize(about.mean, about.std)
    scales = (0.01, 0.0001) if arch == "FCN8sAtOnce" else (1.0, 1.0)
    for size in SIZES:
        pixels = torch.randint(256, (1, 3, *size), dtype=torch.uint8)
        theirs = pixels.flip(1).float() - torch.tensor([104.00698793, 116.66876762, 122.67891434]).view(1, 3, 1, 1)
        with torch.inference_mode():
            assert_equal_logits(network(normalize(pixels)), caffe_reference(theirs, weights, stride, scales))


def test_fcn8s_at_once_is_identified_by_its_file_name() -> None:
    weights = {"conv1_1.weight": torch.zeros(64, 3, 3, 3), **caffe_head(8)}
    for hint, expected in (("fcn8s-atonce_from_caffe", "fcn8s_paper_at_once"), ("fcn8s_from_caffe", "fcn8s_paper")):
        kind = identify(weights, hint)
        assert kind is not None
        assert kind.network == expected
        assert kind.normalization is not None
        assert kind.normalization[0] == CAFFE_MEAN


def test_foreign_weights_with_holes_are_refused_with_what_does_not_match(tmp_path: Path) -> None:
    weights = {"conv1_1.weight": torch.zeros(64, 3, 3, 3), "conv9.weight": torch.zeros(1), **caffe_head(16)}
    torch.save(weights, tmp_path / "holes.pth")
    with pytest.raises(InputError, match="these are not the weights of fcn16s_paper") as caught:
        catalogue.weights.load_network(tmp_path / "holes.pth")
    assert "missing: vgg.os_8.0.bias (64,)" in str(caught.value)
    assert "... and " in str(caught.value)
