from dataclasses import replace

import pytest

from engine.profiling.flops import FlopCount, Layer
from engine.profiling.record import (
    COLUMNS,
    NetworkProfile,
    Roofline,
    Spread,
    Throughput,
    heading,
    notes,
    table,
    to_dataframe,
)
from engine.profiling.roofline import Peaks

COST = FlopCount(1_500_000, (Layer(2_000, 30), Layer(1_000, 50)))
PROFILE = NetworkProfile(
    network="fcn8s",
    classes=19,
    size=(64, 96),
    device="a card",
    engine="torch",
    precision="16-mixed",
    asked_precision="auto",
    compiled=False,
    protocol="in words",
    repeats=20,
    warm_up=6,
    parameters=COST.parameters,
    macs=2_500_000_000,
    latency=Spread(2.0, 1.0, 1.5, 2.5, 3.0),
    throughput=(Throughput(1, 400.0, 0.5), Throughput(2, 500.0, 0.25), Throughput(4, 0.0, None, "memory")),
    stages={"decode": {"median": 1.0, "p95": 2.0}},
    memory={"allocated": 100.4, "reserved": 200.0, "process": None},
    not_measured={"process": "the driver does not list this process"},
    roofline=Roofline.of(COST, Peaks(1e6, 1e5), 2, 0.006),
    environment={"packages": {}},
)


def test_a_latency_compared_with_the_peaks() -> None:
    found = PROFILE.roofline
    assert found.least_bytes == 160
    assert found.achieved_flops_per_second == pytest.approx(500_000)
    assert found.share_of_peak_flops == pytest.approx(0.5)
    assert found.share_of_peak_bandwidth == pytest.approx(160 / 0.006 / 1e5)
    assert found.floor_ms == pytest.approx(2 + 1), "both layers are bound by their arithmetic or as much by traffic"
    assert found.times_the_floor == pytest.approx(2)


def test_the_json_has_the_documented_names() -> None:
    content = PROFILE.to_json()
    assert list(content) == [
        *("network", "classes", "size", "device", "engine", "precision", "asked_precision", "compiled", "protocol"),
        *(
            "repeats",
            "warm_up",
            "parameters",
            "macs",
            "latency_ms",
            "throughput",
            "stages_ms",
            "memory_mib",
            "not_measured",
        ),
        *("roofline", "environment"),
    ]
    assert content["size"] == [64, 96]
    assert content["latency_ms"] == {"median": 2.0, "least": 1.0, "quartile_1": 1.5, "quartile_3": 2.5, "most": 3.0}
    best = {"batch_size": 2, "images_per_second": 500.0, "joules_per_image": 0.25}
    assert content["throughput"]["best"] == best
    assert content["throughput"]["tried"][1:] == [
        best,
        {"batch_size": 4, "images_per_second": 0.0, "joules_per_image": None, "stopped": "memory"},
    ]
    assert content["memory_mib"] == {"allocated": 100.4, "reserved": 200.0, "process": None}
    assert set(content["roofline"]) == {
        *("peak_flops_per_second", "peak_bytes_per_second", "least_bytes", "achieved_flops_per_second"),
        *("share_of_peak_flops", "share_of_peak_bandwidth", "floor_ms", "times_the_floor"),
    }


def test_profiles_as_a_table() -> None:
    profiles = [PROFILE, replace(PROFILE, network="unet", compiled=True), PROFILE]
    lines = table(profiles).render().splitlines()
    assert heading(profiles) == "a card, images of 64x96, median of 20, random weights"
    assert heading(profiles[1:]).endswith(", random weights, compiled")
    cells = ["fcn8s", "16-mixed", "1.5", "2.5", "2.0", "500.00", "2", "100", "200", "-", "0.25", "50%", "2.00"]
    assert lines[1].split() == cells
    assert lines[2].split() == ["unet", *cells[1:]]
    assert len({len(line) for line in lines}) == 1
    assert lines[0].replace(" ", "") == "".join(COLUMNS).replace(" ", "")
    below = notes(profiles).splitlines()
    assert below[0] == "process: the driver does not list this process"
    assert below[1].startswith("of peak: share of the fastest matrix product measured here; x floor: ")
    assert len(below) == 2, "each is said once"


def test_profiles_as_a_dataframe() -> None:
    frame = to_dataframe([PROFILE])
    assert list(frame.columns) == list(COLUMNS)
    row = frame.iloc[0]
    assert (row["GMAC"], row["ms"], row["batch"], row["J/image"], row["process"]) == (2.5, 2.0, 2, 0.25, None)
