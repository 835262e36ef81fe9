"""Published results: their names, figures and sources."""

from collections import Counter

import pytest

import catalogue
from report.records import Published
from report.sources import published

RESULTS = published.read()


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: f"{result.name} {result.split}")
def test_a_result_has_a_source_a_protocol_and_scores_from_0_to_1(result: Published) -> None:
    benchmark = catalogue.benchmark(result.benchmark)
    assert result.split in benchmark.splits
    assert all(0 < score < 1 for score in (result.score, *result.averages.values(), *result.classes.values()))
    assert set(result.classes) <= set(benchmark.classes.names)
    assert result.protocol
    assert result.source
    assert result.url.startswith("https://")
    assert (result.latency_ms is None) == (not result.device)


def test_results_are_told_apart_by_name() -> None:
    assert max(Counter((result.name, result.benchmark, result.split) for result in RESULTS).values()) == 1


def test_the_result_of_the_original_fcn8s_repository_at_the_server() -> None:
    (found,) = [result for result in RESULTS if "original" in result.name and result.split == "test"]
    assert found.score == pytest.approx(0.5176)
    assert found.averages == pytest.approx({"iIoU": 0.2590, "category IoU": 0.8192, "category iIoU": 0.6386})
    assert found.classes["truck"] == pytest.approx(0.059)
