import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

import catalogue
from engine.checkpoints import About
from engine.devices.process import find_process
from engine.errors import InputError
from engine.inference.network import NetworkSegmenter
from engine.inference.test_time_augmentation import TtaOptions, TtaSegmenter, window_starts

HEIGHT, WIDTH = 70, 110


def forward(network: nn.Module, benchmark: str = "cityscapes") -> NetworkSegmenter:
    about = About.untrained("some", 19, None)
    return NetworkSegmenter(find_process("cpu", "32-true"), network, about, catalogue.benchmark(benchmark), exact=True)


def local(classes: int = 19) -> nn.Module:
    """A network whose logits depend on the pixels around."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, classes, 3, padding=1))


@pytest.fixture
def image() -> torch.Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy(random.integers(0, 256, (1, 3, HEIGHT, WIDTH), dtype=np.uint8))


@pytest.mark.parametrize("tta", [TtaOptions(), TtaOptions(window=WIDTH)])
def test_one_scale_without_flip_is_the_plain_prediction(image: torch.Tensor, tta: TtaOptions) -> None:
    plain = forward(local())
    assert torch.equal(TtaSegmenter(plain, tta)(image), plain(image))
    assert TtaSegmenter(plain, tta).probabilities(image).allclose(plain.logits(image).softmax(1))


def test_probabilities_of_a_flip_are_flipped_back(image: torch.Tensor) -> None:
    plain = forward(local())
    expected = (plain.logits(image).softmax(1) + plain.logits(image.flip(-1)).softmax(1).flip(-1)) / 2
    found = TtaSegmenter(plain, TtaOptions(flip=True)).probabilities(image)
    assert found.allclose(expected, atol=1e-6)
    assert not found.allclose(plain.logits(image).softmax(1), atol=1e-3), "this network is not symmetric"


def test_a_symmetric_network_gains_nothing_from_a_flip(image: torch.Tensor) -> None:
    network = nn.Conv2d(3, 19, 3, padding=1)
    with torch.no_grad():
        network.weight.add_(network.weight.flip(-1))
    plain = forward(network)
    assert (TtaSegmenter(plain, TtaOptions(flip=True))(image) == plain(image)).float().mean() > 0.999


def test_scales_agree_where_the_image_is_plain(image: torch.Tensor) -> None:
    plain = forward(nn.Conv2d(3, 19, 1))
    flat = image[..., :1, :1].expand(1, 3, HEIGHT, WIDTH).contiguous()
    augmented = TtaSegmenter(plain, TtaOptions(scales=(0.5, 1.0, 1.75)))
    assert torch.equal(augmented(flat), plain(flat))
    assert augmented(image).shape == (HEIGHT, WIDTH)
    assert not torch.equal(augmented(image), plain(image)), "noise is not the same at another scale"


def test_windows_of_a_network_without_context_equal_the_whole(image: torch.Tensor) -> None:
    plain = forward(nn.Conv2d(3, 19, 1))
    found = TtaSegmenter(plain, TtaOptions(window=40)).probabilities(image)
    assert found.allclose(plain.logits(image).softmax(1), atol=1e-6)


def test_a_resized_image_is_as_pillow_has_it_and_its_logits_are_enlarged_before_the_argmax(image: torch.Tensor) -> None:
    seen = []
    plain = forward(local())
    logits = plain.logits

    def noted(shown: torch.Tensor) -> torch.Tensor:
        seen.append(shown)
        return logits(shown)

    plain.logits = noted  # type: ignore[method-assign,assignment]
    resized = TtaSegmenter(plain, TtaOptions(resize=(32, 130)))  # one side shrinks, one grows
    ids = resized(image)
    picture = Image.fromarray(image[0].permute(1, 2, 0).numpy()).resize((130, 32), Image.Resampling.BILINEAR)
    (shown,) = seen
    assert (shown[0].permute(1, 2, 0).int() - torch.from_numpy(np.array(picture)).int()).abs().max() <= 1
    enlarged = functional.interpolate(logits(shown), (HEIGHT, WIDTH), mode="bilinear")
    assert torch.equal(ids, plain.classify(enlarged[0]))
    assert ids.shape == (HEIGHT, WIDTH)
    same = TtaSegmenter(plain, TtaOptions(resize=(HEIGHT, WIDTH)))
    assert torch.equal(same(image), plain(image)), "an image of that size is predicted as it is"


@pytest.mark.parametrize("more", [{"scales": (0.5, 1.0)}, {"flip": True}, {"window": 64}])
def test_a_fixed_size_excludes_test_time_augmentation(more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--resize 256x512: predicts each image once, at a fixed size; leave out"):
        TtaOptions(resize=(256, 512), **more)


def test_sides_of_a_resized_image_make_sense() -> None:
    with pytest.raises(InputError, match="--resize 31x20000: expected sides of 32 to 16384 pixels"):
        TtaOptions(resize=(31, 20000))
    assert TtaOptions(resize=(32, 64)).to_json()["resize"] == "32x64"
    assert TtaOptions().to_json()["resize"] is None


@pytest.mark.parametrize(("length", "side"), [(70, 40), (110, 40), (2048, 1024), (40, 40), (30, 40), (41, 40)])
def test_windows_cover_and_overlap(length: int, side: int) -> None:
    places = window_starts(length, side)
    assert places[0] == 0
    assert places[-1] == max(0, length - side)
    assert all(0 < after - before <= 2 * side // 3 for before, after in itertools.pairwise(places))


def test_confidences_are_averaged_too(image: torch.Tensor) -> None:
    plain = forward(local(2), "kitti_road")
    augmented = TtaSegmenter(plain, TtaOptions(flip=True))
    expected = (255 * augmented.probabilities(image)[0, 1]).round()
    assert (augmented(image).float() - expected).abs().max() <= 1


def test_options_out_of_range_are_refused() -> None:
    for scales, window in (("a", 0), ("0", 0), ("1,,2", 0), ("1", 5), ("nan", 0)):
        with pytest.raises(InputError):
            TtaOptions.parse(scales, False, window)
    assert TtaOptions.parse("0.75,1", True, 64) == TtaOptions((0.75, 1.0), True, 64)
