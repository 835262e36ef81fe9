from typing import Any

import pytest

from catalogue import NETWORKS
from report.pictures.collect import Pictures
from report.records import Report, Run
from report.sections import overview
from report.sections.measurements import measurements
from report.sections.overview_cells import BACKBONES, recipe
from tests.report.drawn_report import network_profile, published, report, result, run, scores, stages

FOUR = {"IoU": 0.6, "iIoU": 0.4, "category IoU": 0.8, "category iIoU": None}


def section(of: Report) -> dict[str, Any]:
    return overview.data(of, Pictures())


def row(of: Run, *others: Run) -> dict[str, tuple[str, Any, str]]:
    content = section(report(of, *others))
    cells = [tuple(cell.values()) for cell in content["runs"][0]["cells"]]
    return dict(zip((column["key"] for column in content["columns"]), cells, strict=True))


def test_row_of_a_run_has_all_figures() -> None:
    scored = result("demo/val", scores(FOUR, interval=(0.58, 0.62)), profile=stages(71.2))
    cells = row(run("demo", scored, profiles=(network_profile("fcn8s", 80.0),)))
    assert cells["name"] == ("demo", None, "2 of 2 epochs")
    assert cells["backbone"] == ("VGG11-BN", None, "")
    assert cells["recipe"] == ("demo", None, "2 epochs, 0.002")
    assert cells["best"] == ("25.0", 0.25, "epoch 1")
    assert cells["scored"] == ("val, pixel", None, "best weights, 500 scenes of val, the official set")
    assert cells["main"] == ("60.0", 0.6, "IoU, 58.0 to 62.0")
    assert cells["average:iIoU"] == ("40.0", 0.4, "")
    assert cells["average:category iIoU"] == ("-", None, "")
    assert cells["parameters"] == ("9.35", 9_354_329, "")
    assert cells["macs"] == ("4.94", 4_940_749_312, "2048x1024")
    assert cells["latency"] == ("71.2", 71.2, "2048x1024, 32-true")
    assert cells["memory"] == ("785", 785.0, "")
    assert cells["device"] == ("CPU A", None, "weights of the run, images of demo/val")
    assert (cells["date"][0], cells["commit"][0]) == ("2026-11-28", "c1fde47ef5e5")


def test_row_of_a_run_of_which_nothing_is_known_has_dashes() -> None:
    bare = run("bare", folder=None, config={}, history=(), environment={}, modified="", progress="")
    cells = row(bare)
    assert {key for key, cell in cells.items() if cell != ("-", None, "")} == {"name", "status"}


def test_progress_that_only_repeats_the_status_is_left_out() -> None:
    assert row(run("scored", status="results only", progress="results only"))["name"] == ("scored", None, "")


def test_a_run_without_its_own_profile_has_that_of_its_network() -> None:
    cells = row(run("demo", profiles=(network_profile("fcn8s", 80.0, classes=19),), classes=("road", "car")))
    assert cells["parameters"] == ("9.35", 9_354_329, "of 19 classes")
    assert cells["latency"] == ("80.0", 80.0, "2048x1024, 32-true, openvino")
    assert cells["memory"] == ("912", 912.3, "reserved 21")
    assert cells["device"][2] == "random weights, synthetic images"


def test_columns_are_those_of_all_averages_and_frequent_ones_come_first() -> None:
    tasks = [
        run("a", result("a/val", scores(FOUR))),
        run("b", result("b/val", scores({"PQ": 0.5, "SQ": 0.7}, task="panoptic"))),
        run("c", result("c/val", scores({"PQ": 0.6, "SQ": 0.7}, task="panoptic"))),
    ]
    content = section(report(*tasks))
    headings = {column["key"]: column["heading"] for column in content["columns"]}
    averages = [heading for key, heading in headings.items() if key.startswith("average:")]
    assert headings["main"] == "Main average"
    assert averages == ["SQ", "iIoU", "category IoU", "category iIoU"]
    assert sum(group["columns"] for group in content["groups"]) == len(content["columns"])
    assert row(tasks[1], tasks[0])["average:iIoU"] == ("-", None, "")
    assert row(tasks[1], tasks[0])["main"] == ("50.0", 0.5, "PQ")


def test_main_averages_of_one_name_have_it_as_heading() -> None:
    content = section(report(run("a", result("a/val", scores(FOUR)))))
    assert [column["heading"] for column in content["columns"]].count("IoU") == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["train_fcn.py", "--recipe", "demo", "--root", "data"], "demo"),
        (["train_fcn.py", "--recipe=/home/me/mine.yaml"], "mine.yaml"),
        (["train_fcn.py", "--recipe"], ""),
        (["train_fcn.py"], ""),
        ([], ""),
        (["--recipe", 3], ""),
        ("--recipe demo", ""),
        (None, ""),
    ],
)
def test_recipe_is_read_from_the_command(command: Any, expected: str) -> None:
    assert recipe({"command": command}) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"network": "fcn8s", "backbone_weights": "auto"}, "ImageNet weights"),
        ({"network": "fcn8s", "backbone_weights": "none"}, "random weights"),
        ({"network": "unet", "backbone_weights": "auto"}, "random weights"),
        ({"network": "fcn8s", "backbone_weights": "/data/vgg11.pth"}, "from vgg11.pth"),
        ({"network": "fcn8s", "backbone_weights": "auto", "initial_weights": "saved/first/best.pth"}, "from best.pth"),
        ({"network": ["fcn8s"], "backbone_weights": {}}, ""),
    ],
)
def test_backbone_states_the_first_weights(config: dict[str, Any], expected: str) -> None:
    assert row(run("demo", config=config))["backbone"][2] == expected


def test_every_network_of_the_catalogue_has_a_backbone() -> None:
    assert list(BACKBONES) == list(NETWORKS)


def test_measurements_of_the_scored_result_come_first() -> None:
    first = result("demo/test", None, profile=stages(50.0))
    scored = result("demo/val", scores(FOUR), profile=stages(71.2))
    other = network_profile("fcn8s", 80.0, device="GPU B")
    found = measurements(run("demo", first, scored, profiles=(other, network_profile("fcn8s", 81.0, device="GPU B"))))
    assert [(one.device, one.forward_ms, one.total_ms) for one in found] == [
        ("CPU A", 71.2, 91.2),
        ("GPU B", 80.0, 89.0),
    ]


def test_points_pair_each_score_with_each_latency() -> None:
    val = result("demo/val", scores(FOUR, interval=(0.5, 0.7)), profile=stages(71.2))
    last = result("last/val", scores({"IoU": 0.1}), weights="last")
    test = result("demo/test", scores({"IoU": None}), split="test")
    points = section(report(run("demo", last, val, test, profiles=(network_profile("fcn8s", 9.0, "GPU B"),))))["points"]
    assert [(point["score"], point["interval"], point["latency"], point["device"]) for point in points] == [
        (0.6, [0.5, 0.7], 71.2, "CPU A"),
        (0.6, [0.5, 0.7], 9.0, "GPU B"),
    ]


def test_a_score_without_a_latency_is_a_point_too() -> None:
    (point,) = section(report(run("demo", result("demo/val", scores(FOUR)))))["points"]
    assert (point["score"], point["latency"]) == (0.6, None)


def test_different_devices_and_sizes_are_counted() -> None:
    runs = [
        run("a", result("a/val", None, profile=stages(1.0))),
        run("b", result("b/val", None, profile=stages(1.0, size="256x128"))),
        run("c", result("c/val", None, profile=stages(2.0))),
    ]
    assert section(report(*runs))["conditions"] == 2


def test_published_results_of_the_benchmarks_of_the_runs_come_first() -> None:
    some = (
        published("other", 0.9, benchmark="camvid"),
        published("low", 0.5),
        published("high", 0.7),
        published("test", 0.6, split="test"),
    )
    found = section(report(run("demo"), published=some))["published"]
    assert [one["name"] for one in found] == ["test", "high", "low", "other"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "paper", ""])
def test_only_web_addresses_become_links(url: str) -> None:
    (found,) = section(report(published=(published("one", 0.5, url=url),)))["published"]
    assert found["url"] == ""


def test_filters_offer_the_values_that_occur() -> None:
    runs = (run("a"), run("b", status="unfinished", config={"network": "unet"}), run("c", config={}))
    some = (published("one", 0.5, benchmark="camvid"), published("two", 0.6))
    assert section(report(*runs, published=some))["filters"] == {
        "benchmark": ["camvid", "cityscapes"],
        "network": ["fcn8s", "unet"],
        "status": ["complete", "unfinished"],
    }
