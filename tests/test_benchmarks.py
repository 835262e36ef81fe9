"""Contract tests for all benchmarks; each has a small root in conftest.py, the fixture NAME_root."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import catalogue
from engine.benchmark import Benchmark, require_equal_sizes
from engine.errors import InputError
from engine.files.images import image_size, write_png

HEADLINE: dict[str, Callable[[Any], float]] = {
    "cityscapes": lambda scores: scores["averageScoreClasses"],
    "kitti_lane": lambda scores: scores["image"]["sets"]["um_lane"]["MaxF"],
    "kitti_road": lambda scores: scores["bev"]["sets"]["urban_road"]["MaxF"],
}
"""Benchmark -> function that finds its main score; all others have it under miou."""


@pytest.fixture(params=list(catalogue.BENCHMARKS))
def benchmark(request: pytest.FixtureRequest) -> Benchmark:
    return catalogue.benchmark(request.param)


@pytest.fixture
def root(benchmark: Benchmark, request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{benchmark.name}_root")
    return path


def scored_split(benchmark: Benchmark) -> str:
    return "val" if "test" in benchmark.hidden_splits else "test"


def test_name_and_classes(benchmark: Benchmark) -> None:
    assert catalogue.BENCHMARKS[benchmark.name]().name == benchmark.name
    assert len(benchmark.classes) == len(benchmark.classes.colors) == len(set(benchmark.classes.names))
    assert len(set(benchmark.classes.colors)) == len(benchmark.classes)
    assert benchmark.classes.void == 255
    assert {"train", "val", "test"} <= set(benchmark.splits)
    assert set(benchmark.hidden_splits) < set(benchmark.splits)


def test_prediction_tables(benchmark: Benchmark) -> None:
    ids, colors, classes = benchmark.prediction_ids, benchmark.prediction_colors, benchmark.classes
    assert ids.shape == (256,)
    assert ids.dtype == np.uint8
    assert colors.shape == (256, 3)
    assert colors.dtype == np.uint8
    assert len(set(ids[: len(classes)].tolist())) == len(classes)
    if benchmark.confidence_class is None:  # otherwise the colours show confidences
        assert colors[ids[: len(classes)]].tolist() == [list(color) for color in classes.colors]
    assert benchmark.prediction_suffix.endswith(".png")


def test_samples_and_masks(benchmark: Benchmark, root: Path) -> None:
    for split in benchmark.splits:
        samples = benchmark.samples(root, split)
        assert samples == benchmark.samples(root, split)
        assert len({sample.name for sample in samples}) == len(samples) > 0
        for sample in samples:
            assert image_size(sample.image)
            assert (sample.mask is None) == (split in benchmark.hidden_splits)
            if sample.mask is not None:
                mask = benchmark.read_mask(sample.mask)
                assert mask.dtype == np.uint8
                assert mask.shape[::-1] == benchmark.mask_size(sample.mask) == image_size(sample.image)
                assert set(np.unique(mask)) <= {*range(len(benchmark.classes)), 255}
        require_equal_sizes(benchmark, samples)


def test_perfect_predictions_score_one(benchmark: Benchmark, root: Path, tmp_path: Path) -> None:
    split = scored_split(benchmark)
    for sample in benchmark.samples(root, split):
        assert sample.mask is not None
        mask = benchmark.read_mask(sample.mask)
        if benchmark.confidence_class is None:
            prediction = benchmark.prediction_ids[mask]
        else:
            prediction = np.where(mask == benchmark.confidence_class, 255, 0).astype(np.uint8)
        write_png(tmp_path / "predictions" / f"{sample.name}{benchmark.prediction_suffix}", prediction)
    scores, table = benchmark.score(tmp_path / "predictions", root, split, 1)
    headline: Callable[[Any], float] = HEADLINE.get(benchmark.name, lambda scores: float(scores["miou"]))
    assert headline(scores) == pytest.approx(1)
    assert "100.0" in table


def test_missing_data_is_reported(benchmark: Benchmark, tmp_path: Path) -> None:
    for split in benchmark.splits:
        for folder in (tmp_path, tmp_path / "absent"):
            with pytest.raises(InputError, match=str(folder)):
                benchmark.samples(folder, split)


def test_missing_predictions_are_reported(benchmark: Benchmark, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        benchmark.score(tmp_path / "absent", root, scored_split(benchmark), 1)
