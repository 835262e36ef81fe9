import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from cityscapes.dataset import CityscapesBenchmark
from engine.data.dataset import Batch
from engine.errors import InputError, Stopped
from engine.training import evaluation
from engine.training.evaluation import Evaluator
from engine.training.losses import build_loss

BENCHMARK = CityscapesBenchmark()


def fabric() -> Fabric:
    return Fabric(accelerator="cpu")


def forward(images: torch.Tensor) -> torch.Tensor:
    """Logits that are highest for class 0 where an image is dark, and otherwise for class 1."""
    dark = (images[:, 0] < 128).long()
    return functional.one_hot(1 - dark, 19).permute(0, 3, 1, 2).float()


def test_files_and_another_source_measure_the_same(demo_root: Path) -> None:
    samples = BENCHMARK.samples(demo_root, "val")
    kept: list[Batch] = []

    def noted(images: torch.Tensor) -> torch.Tensor:
        kept.append((images, torch.empty(0)))
        return forward(images)

    from_files = Evaluator(fabric(), BENCHMARK, samples, workers=0)
    loss = build_loss("cross_entropy", 255)
    expected = from_files(noted, loss)
    masks = [torch.tensor(BENCHMARK.read_mask(sample.mask))[None] for sample in samples if sample.mask]
    batches = [(images, mask) for (images, _), mask in zip(kept, masks, strict=True)]
    resident = Evaluator(fabric(), BENCHMARK, samples, workers=0, source=lambda: iter(batches))
    assert resident(forward, loss) == expected
    assert expected.finite
    assert expected.metrics.pixel_accuracy > 0


def test_its_processes_stay_until_it_is_closed(demo_root: Path) -> None:
    """Processes that stayed alive made a finished training wait forever."""
    evaluator = Evaluator(fabric(), BENCHMARK, BENCHMARK.samples(demo_root, "val"), workers=1)
    evaluator(forward, build_loss("cross_entropy", 255))
    (first,) = multiprocessing.active_children()
    evaluator(forward, build_loss("cross_entropy", 255))
    assert multiprocessing.active_children() == [first]
    evaluator.close()
    assert multiprocessing.active_children() == []
    with pytest.raises(ValueError, match="closed"):
        evaluator(forward, build_loss("cross_entropy", 255))


def test_its_processes_end_after_a_damaged_file(changed_root: Path) -> None:
    path = next((changed_root / "leftImg8bit" / "val").rglob("*.png"))
    path.write_bytes(path.read_bytes()[:5000])
    evaluator = Evaluator(fabric(), BENCHMARK, BENCHMARK.samples(changed_root, "val"), workers=1)
    with pytest.raises(InputError, match="damaged image") as caught:
        evaluator(forward, build_loss("cross_entropy", 255))
    evaluator.close()
    assert multiprocessing.active_children() == []
    assert caught.tb is not None, "the traceback keeps the objects in its frames"


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_infinite_logits_are_noticed(demo_root: Path, value: float) -> None:
    def spoilt(images: torch.Tensor) -> torch.Tensor:
        logits = forward(images)
        logits[0, 3, 5, 5] = value
        return logits

    evaluator = Evaluator(fabric(), BENCHMARK, BENCHMARK.samples(demo_root, "val"), workers=0)
    assert not evaluator(spoilt, build_loss("cross_entropy", 255)).finite


def test_cudnn_searches_for_the_first_two_sizes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """For images of many sizes, like those of VOC, each search would take as long as hundreds of predictions."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    searched: list[bool] = []

    def noted(images: torch.Tensor) -> torch.Tensor:
        searched.append(torch.backends.cudnn.benchmark)
        return forward(images)

    def source() -> Iterator[Batch]:
        for side in (4, 4, 8, 12, 4):
            yield torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.zeros(1, side, side, dtype=torch.uint8)

    samples = [None] * 5
    Evaluator(fabric(), BENCHMARK, samples, workers=0, source=source)(noted, build_loss("cross_entropy", 255))  # type: ignore[arg-type]
    assert searched == [True, True, True, False, False]
    assert torch.backends.cudnn.benchmark


@pytest.mark.parametrize(("rank", "measured"), [(0, 3), (1, 2)])
def test_processes_pause_at_the_images_that_all_of_them_have(
    monkeypatch: pytest.MonkeyPatch, rank: int, measured: int
) -> None:
    """Processes agree there on whether to stop; one that asked once more would wait for the others forever."""
    monkeypatch.setattr(evaluation, "all_sum", lambda _, values: values)
    two: Any = SimpleNamespace(world_size=2, global_rank=rank, is_global_zero=True, device=torch.device("cpu"))
    seen: list[int] = []
    paused: list[int] = []

    def source() -> Iterator[Batch]:
        for number in range(measured):
            seen.append(number)
            yield torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 4, 4, dtype=torch.uint8)

    evaluator = Evaluator(two, BENCHMARK, [None] * 5, workers=0, source=source)  # type: ignore[list-item]
    evaluator(forward, build_loss("cross_entropy", 255), paused.append)
    assert (seen, paused) == ([*range(measured)], [0, 1])


def test_an_exception_in_pause_ends_the_evaluation(demo_root: Path) -> None:
    evaluator = Evaluator(fabric(), BENCHMARK, BENCHMARK.samples(demo_root, "val"), workers=0)
    seen = []

    def noted(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return forward(images)

    def pause(number: int) -> None:
        if number == 1:
            raise Stopped("now", 15)

    with pytest.raises(Stopped):
        evaluator(noted, build_loss("cross_entropy", 255), pause)
    assert len(seen) == 1
