import re
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

import catalogue
from engine.arrays import Size
from engine.checkpoints import About
from engine.devices.process import Process, find_process
from engine.errors import InputError
from engine.inference.memory_budget import MemoryBudget
from engine.inference.network import NetworkSegmenter
from engine.inference.receptive_field import ReceptiveField
from engine.inference.test_time_augmentation import TtaOptions, TtaSegmenter
from engine.inference.tiles import TiledSegmenter
from fcn.fcn import FCN8s
from fcn.unet import UNet


def forward(network: nn.Module, *, exact: bool = True) -> NetworkSegmenter:
    about = About.untrained("some", 19, None)
    return NetworkSegmenter(
        find_process("cpu", "32-true"), network, about, catalogue.benchmark("cityscapes"), exact=exact, engine="torch"
    )


def local() -> nn.Module:
    """A network whose logits depend on the pixels around."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 19, 3, padding=1))


def image(height: int, width: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8, generator=random)


def refused() -> Exception:
    """The error of torch when the system refuses memory on a CPU."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    return caught.value


class Cramped(nn.Module):
    """A network for which memory runs out beyond some pixels."""

    def __init__(self, most: int, error: Callable[[], Exception]) -> None:
        super().__init__()
        self.network, self.most, self.error = local(), most, error
        self.run_pixels: list[int] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.shape[-1] * image.shape[-2]
        if pixels > self.most:
            raise self.error()
        self.run_pixels.append(pixels)
        logits: torch.Tensor = self.network(image)
        return logits


@pytest.mark.parametrize("build", [FCN8s, partial(UNet, channels=8), partial(UNet, channels=8, valid=True)])
@pytest.mark.parametrize("exact", [True, False])
def test_tiles_give_what_the_whole_image_gives(build: Callable[[int], nn.Module], exact: bool) -> None:
    torch.manual_seed(0)
    plain = forward(build(19), exact=exact)
    tiled = TiledSegmenter(plain, max_pixels=400_000)
    large = image(203, 2530)
    grid = tiled.grid(Size(203, 2530))
    assert grid is not None
    assert len(list(grid.tiles)) > 1
    whole, pieces = plain.logits(large), tiled.logits(large)
    assert torch.allclose(whole, pieces, rtol=1e-3, atol=1e-4 * whole.abs().max().item())
    assert (plain(large) == tiled(large)).float().mean() > 0.9999


@pytest.mark.parametrize(
    "error",
    [
        lambda: torch.OutOfMemoryError("CUDA out of memory."),
        refused,
    ],
    ids=["gpu", "cpu"],
)
def test_out_of_memory_continues_in_tiles_with_one_warning(
    error: Callable[[], Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    network = Cramped(400_000, error)
    tiled = TiledSegmenter(forward(network))
    large = image(700, 800)
    expected = forward(local())(large)
    network.run_pixels.clear()
    assert torch.equal(tiled(large), expected)
    first = len(network.run_pixels)
    assert torch.equal(tiled(large), expected)
    printed = capsys.readouterr().err
    assert re.fullmatch(r"warning: out of memory for an image of 700 x 800; continues in tiles.*\n", printed)
    assert len(network.run_pixels) < 2 * first, "the second image does not run out of memory first"


def test_out_of_memory_for_the_smallest_tile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = forward(Cramped(10_000, lambda: torch.OutOfMemoryError("CUDA out of memory.")))
    monkeypatch.setattr(plain, "receptive_field", lambda: ReceptiveField(64, exact=True))
    with pytest.raises(InputError, match="out of memory for an image of 300 x 400, even in tiles"):
        TiledSegmenter(plain)(image(300, 400))


def test_other_errors_are_not_mistaken_for_lack_of_memory() -> None:
    network = Cramped(1, lambda: RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        TiledSegmenter(forward(network))(image(20, 30))


def test_a_budget_bounds_the_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    network = Cramped(1 << 40, RuntimeError)
    tiled = TiledSegmenter(forward(network), budget=120)
    network.run_pixels.clear()
    large = image(1000, 2000)
    found = tiled(large)
    assert len(network.run_pixels) > 4  # the first four measure the receptive field
    assert max(network.run_pixels) < 1000 * 2000
    assert torch.equal(found, forward(local())(large))
    assert capsys.readouterr().err == ""


def test_tiles_in_a_budget_are_as_large_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    tiled = TiledSegmenter(forward(local()), budget=100)
    monkeypatch.setattr(
        MemoryBudget, "peak", lambda self, size: self._peaks.setdefault(size, 20 + size.pixels / 10_000)
    )
    assert tiled.grid(Size(700, 800)) is None, "76 of 95 MiB"
    grid = tiled.grid(Size(2000, 3000))
    assert grid is not None
    assert 450_000 < grid.largest < 750_000
    assert grid is tiled.grid(Size(2000, 3000))


def test_images_of_several_scales_are_measured_with_all_their_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = forward(local())
    seen = set()
    trial = plain.trial

    def noted(image: torch.Tensor, *, logits: bool = False) -> torch.Tensor:
        seen.add((tuple(image.shape[-2:]), logits))
        return trial(image, logits=logits)

    monkeypatch.setattr(plain, "trial", noted)
    augmented = TtaSegmenter(TiledSegmenter(plain, budget=1000), TtaOptions(scales=(0.5, 1), window=64))
    augmented.prepare(Size(60, 64))
    assert seen == {((30, 32), True), ((60, 64), True)}
    augmented.prepare(Size(60, 128))
    assert seen == {((30, 32), True), ((60, 64), True)}, "windows of 64, which are known to fit"
    TtaSegmenter(TiledSegmenter(plain, budget=1000), TtaOptions()).prepare(Size(60, 64))
    assert ((60, 64), False) in seen


def test_a_budget_too_small_for_any_tile_is_an_error() -> None:
    tiled = TiledSegmenter(forward(local()), budget=0.01)
    with pytest.raises(InputError, match=r"--memory_budget 0.01: even the smallest tiles of an image of 100 x 150"):
        tiled(image(100, 150))


def test_a_budget_above_the_available_memory_ends_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = forward(Cramped(100, lambda: torch.OutOfMemoryError("CUDA out of memory.")))
    monkeypatch.setattr(plain, "receptive_field", lambda: ReceptiveField(192, exact=True))
    with pytest.raises(InputError, match="out of memory for an image of 100 x 150, even in tiles of 15000"):
        TiledSegmenter(plain, budget=1e9).prepare(Size(100, 150))


def test_trials_for_a_budget_do_not_count_for_the_finite_check() -> None:
    network = nn.Conv2d(3, 19, 1)
    nn.init.constant_(network.weight, 1e6)
    about = About("some", 19, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0, None)
    process = Process(torch.device("cpu"), "16-mixed")
    forward = NetworkSegmenter(process, network, about, catalogue.benchmark("cityscapes"), engine="torch")
    tiled = TiledSegmenter(forward, budget=50)
    tiled.prepare(Size(32, 32))
    forward.require_finite()
    tiled(image(32, 32))
    with pytest.raises(InputError, match="beyond 65504"):
        forward.require_finite()


def test_a_network_with_a_global_receptive_field_leads_to_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    class Everything(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return (image + image.mean((-1, -2), keepdim=True)).repeat(1, 7, 1, 1)[:, :19]

    tiled = TiledSegmenter(forward(Everything()), max_pixels=1)
    tiled(image(300, 340))
    tiled(image(300, 340))
    assert capsys.readouterr().err.count("no margin is wide enough for this network") == 1


def test_test_time_augmentation_works_in_tiles() -> None:
    plain = forward(local())
    tiled = TiledSegmenter(plain, max_pixels=20_000)
    tta = TtaOptions(scales=(0.5, 1.5), flip=True)
    large = image(200, 260)
    expected = TtaSegmenter(plain, tta).probabilities(large)
    assert TtaSegmenter(tiled, tta).probabilities(large).allclose(expected, atol=1e-5)


def test_on_a_cpu_a_large_image_is_measured_before_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.inference.tiles._UNMEASURED", 10_000)
    tiled = TiledSegmenter(forward(local()))
    monkeypatch.setattr(
        MemoryBudget, "peak", lambda self, size: self._peaks.setdefault(size, self.mib * size.pixels / 30_000)
    )
    large = image(200, 260)
    assert torch.equal(tiled(large), forward(local())(large))
    assert "200 x 260 takes more than" in capsys.readouterr().err


def on_gpu(monkeypatch: pytest.MonkeyPatch) -> NetworkSegmenter:
    """A network that claims to be on a GPU, with a known receptive field."""
    plain = forward(local())
    monkeypatch.setattr(plain, "device", torch.device("cuda:0"))
    monkeypatch.setattr(plain, "receptive_field", lambda: ReceptiveField(64, exact=True))
    return plain


@pytest.mark.parametrize("size", [Size(6000, 5600), Size(1000, 40_000), Size(20_000, 20_000), Size(70_000, 9_000)])
def test_no_layer_on_a_gpu_has_more_elements_than_32_bits_count(size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes the paper's FCNs, which add 200 pixels to each axis."""
    tiled = TiledSegmenter(on_gpu(monkeypatch))
    grid = tiled.grid(size)
    assert grid is not None
    assert all(64 * (row.extent + 200) * (column.extent + 200) < 2**31 for row, column in grid.tiles)
    assert grid.largest > 2**31 // 64 / 6, "tiles are not smaller than needed"


def test_an_image_that_fits_in_32_bits_is_predicted_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tiled = TiledSegmenter(on_gpu(monkeypatch))
    assert tiled.grid(Size(4000, 6000)) is None


def test_only_gpus_bound_the_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBudget, "fits", lambda self, size: True)
    assert TiledSegmenter(forward(local())).grid(Size(6000, 5600)) is None


def test_an_image_of_too_many_elements_is_predicted_in_tiles_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    network = Cramped(1 << 40, RuntimeError)
    tiled = TiledSegmenter(forward(network), max_elements=64 * 600_000)
    tiled(image(700, 800))  # also finds the receptive field
    network.run_pixels.clear()
    large = image(700, 800)
    assert torch.equal(tiled(large), forward(local())(large))
    assert len(network.run_pixels) > 1
    assert max(network.run_pixels) < 600_000
    assert capsys.readouterr().err == "", "no error, hence no warning"


def test_too_many_elements_and_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBudget, "peak", lambda self, size: self._peaks.setdefault(size, size.pixels / 10_000))
    tiled = TiledSegmenter(forward(local()), budget=100, max_elements=64 * 700_000)
    grid = tiled.grid(Size(2000, 3000))
    assert grid is not None
    assert grid.largest_size.pixels > 200_000, "the largest tiles that fit in both limits, not the smallest"
    assert grid.largest_size.pixels <= 700_000


def test_memory_that_a_gpu_refuses_in_other_words_leads_to_tiles() -> None:
    network = Cramped(400_000, lambda: RuntimeError("FIND was unable to find an engine to execute this computation"))
    large = image(700, 800)
    assert torch.equal(TiledSegmenter(forward(network))(large), forward(local())(large))


def test_the_error_of_torch_is_repeated_when_the_smallest_tiles_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Cramped(100, lambda: RuntimeError("GET was unable to find an engine to execute this computation"))
    plain = forward(network)
    monkeypatch.setattr(plain, "receptive_field", lambda: ReceptiveField(64, exact=True))
    with pytest.raises(InputError, match=r"even in tiles of 12000 pixels on cpu \(GET was unable to find an engine"):
        TiledSegmenter(plain)(image(100, 120))


@pytest.mark.parametrize("tta", [TtaOptions(), TtaOptions(flip=True, window=192)])
def test_tiles_and_windows_have_the_layout_of_decoded_images(tta: TtaOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a GPU would need other kernels for them."""
    seen = []
    plain = forward(local())
    for name in ("__call__", "logits"):
        run = getattr(NetworkSegmenter, name)

        def noted(self: NetworkSegmenter, image: torch.Tensor, run: Callable[..., torch.Tensor] = run) -> torch.Tensor:
            seen.append(image.is_contiguous(memory_format=torch.channels_last))
            return run(self, image)

        monkeypatch.setattr(NetworkSegmenter, name, noted)
    decoded = image(203, 700).contiguous(memory_format=torch.channels_last)
    for tiled in (TiledSegmenter(plain, max_pixels=100_000), TiledSegmenter(plain, budget=120, max_pixels=100_000)):
        TtaSegmenter(tiled, tta)(decoded)
    assert len(seen) >= 4
    assert all(seen)


def test_the_finite_check_is_that_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = forward(local())

    def left() -> None:
        raise InputError("beyond 65504")

    monkeypatch.setattr(plain, "require_finite", left)
    with pytest.raises(InputError, match="beyond 65504"):
        TtaSegmenter(TiledSegmenter(plain), TtaOptions()).require_finite()
