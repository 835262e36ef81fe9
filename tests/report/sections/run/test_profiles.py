"""Profiles of predictions and of networks."""

from pathlib import Path
from typing import Any

import pytest

from report.records import NetworkProfile, StageProfile
from report.sections.run import profiles

STAGES = {
    "decode": {"median": 1.0, "p95": 2.0},
    "forward": {"median": 10.0, "p95": 12.0},
    "total": {"median": 11.5, "p95": 14.0},
}
CONTENT: dict[str, Any] = {
    "network": "fcn8s",
    "size": [128, 256],
    "device": "CPU",
    "engine": "openvino",
    "precision": "32-true",
    "parameters": 9_354_329,
    "macs": 5_000_000_000,
    "latency_ms": {"median": 50.0, "quartile_1": 49.0, "quartile_3": 52.0},
    "throughput": {"best": {"batch_size": 4, "images_per_second": 20.5, "joules_per_image": None}},
    "stages_ms": STAGES,
    "memory_mib": {"allocated": None, "process": 900.0},
    "not_measured": {"allocated": "OpenVINO does not say"},
    "roofline": {
        "peak_flops_per_second": 4e11,
        "peak_bytes_per_second": 4e10,
        "least_bytes": 100_000_000,
        "achieved_flops_per_second": 2e11,
        "share_of_peak_flops": 0.5,
        "share_of_peak_bandwidth": 0.05,
        "times_the_floor": 2.0,
    },
}


def network(**changes: Any) -> dict[str, Any]:
    return profiles.network(NetworkProfile(Path("profile.json"), "fcn8s", {**CONTENT, **changes}))


def test_stages_of_predictions() -> None:
    memory = {"allocated": None, "process": 785.1875}
    profile = StageProfile(Path("profile.json"), STAGES, memory, "CPU", "32-true", "256x128", 6, {})
    assert profiles.stages(profile) == {
        "about": "CPU, 32-true, 256x128, 6 images",
        "stages": [["decode", 1.0, 2.0], ["forward", 10.0, 12.0]],
        "total": ["total", 11.5, 14.0],
        "memory": [["allocated", None, ""], ["process", 785.1875, ""]],
    }


def test_a_network_is_a_point_below_its_ceilings() -> None:
    assert network()["roofline"] == {"intensity": 100.0, "achieved": 2e11, "flops": 4e11, "bytes": 4e10}


@pytest.mark.parametrize(
    "changes",
    [{"macs": None}, {"macs": 0}, {"roofline": None}, {"roofline": {**CONTENT["roofline"], "least_bytes": 0}}],
)
def test_a_point_that_is_not_known_is_left_out(changes: dict[str, Any]) -> None:
    assert network(**changes)["roofline"] is None


def test_memory_that_was_not_measured_has_its_reason() -> None:
    assert network()["memory"] == [["allocated", None, "OpenVINO does not say"], ["process", 900.0, ""]]


def test_figures_are_those_that_are_known() -> None:
    figures = {label: value for label, value, _ in network()["figures"]}
    assert figures["parameters (M)"] == 9.354329
    assert figures["GMAC of an image"] == 5.0
    assert figures["latency, quartiles (ms)"] == [49.0, 52.0]
    assert figures["share of peak FLOP/s (%)"] == 50.0
    assert "energy of an image (J)" not in figures


@pytest.mark.parametrize("damaged", [None, [], "text", 3])
def test_a_profile_with_missing_parts_is_shown_without_them(damaged: object) -> None:
    found = network(stages_ms=damaged, memory_mib=damaged, latency_ms=damaged, throughput=damaged, size=damaged)
    assert found["stages"] == []
    assert found["total"] is None
    assert found["memory"] == []
    assert found["size"] == ""
    assert found["roofline"] is not None
