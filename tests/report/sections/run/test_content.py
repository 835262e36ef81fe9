"""Data of the section `run`."""

import json
import re
from pathlib import Path
from typing import Any

from report import page
from report.pictures.collect import Pictures, collect
from report.records import Fault, NetworkProfile, Report, Result, ResultScores, Run
from report.sections.run import data


def scored(key: str, weights: str) -> Result:
    scores = ResultScores(Path("scores.json"), "pixel", (), {"IoU": 0.5}, None, (), None, "", None)
    return Result(key, Path("outputs"), weights, "val", "cityscapes", {"flip": True, "engine": None}, scores)


def run(name: str, *results: Result, profiles: tuple[NetworkProfile, ...] = (), **changes: Any) -> Run:
    parts: dict[str, Any] = {
        "config": {"network": "fcn8s", "root": "/home/somebody/cityscapes", "ema": 0.0},
        "history": (),
        "environment": {"commit": "abc", "packages": {"torch": "2.14.1"}},
        **changes,
    }
    return Run(
        name, None, "complete", "2 of 2 epochs", **parts, modified="2026-11-28", classes=(), results=results,
        profiles=profiles, faults=(Fault("saved/demo/x.json", "is not JSON"),),
    )  # fmt: skip


def content(*runs: Run, profiles: tuple[NetworkProfile, ...] = ()) -> dict[str, Any]:
    found = data(Report(runs, (), (), profiles, ()), Pictures())
    json.dumps(found, allow_nan=False)
    return found


def test_the_result_of_the_best_weights_comes_first() -> None:
    (shown,) = content(run("demo", scored("demo-last/val", "last"), scored("demo/val", "best")))["runs"]
    assert [result["key"] for result in shown["results"]] == ["demo/val", "demo-last/val"]
    assert shown["results"][0]["made_with"] == [["flip", "yes"]]


def test_options_and_environment_are_texts_without_folders() -> None:
    (shown,) = content(run("demo"))["runs"]
    assert shown["options"] == {"network": "fcn8s", "root": ".../cityscapes", "ema": "0"}
    assert shown["environment"] == {"commit": "abc", "torch": "2.14.1"}
    assert shown["faults"] == [["saved/demo/x.json", "is not JSON"]]


def test_facts_of_a_training() -> None:
    rows = tuple(
        {"epoch": epoch, "seconds": 1800.0, "images_per_second": 10.0 * epoch, "process_memory_mib": 1000.0 + epoch}
        for epoch in (1, 2, 3, 4)
    )
    facts = dict(content(run("demo", history=rows))["runs"][0]["facts"])
    assert facts["status"] == "complete, 2 of 2 epochs"
    assert facts["training duration"] == "2 h 00 min"
    assert facts["training throughput"] == "30.0 images/s"
    assert facts["process memory in training"] == "1,004 MiB"
    assert "GPU memory in training" not in facts


def test_the_duration_is_estimated_if_epochs_are_left_out() -> None:
    rows = tuple({"epoch": epoch, "seconds": 36.0} for epoch in range(2, 3001, 2))
    facts = dict(content(run("demo", history=rows))["runs"][0]["facts"])
    assert facts["training duration"] == "about 30 h 00 min"


def test_a_network_profile_that_several_runs_have_is_held_once() -> None:
    fcn, unet = (NetworkProfile(Path("profile.json"), name, {"network": name}) for name in ("fcn8s", "unet"))
    found = content(run("one", profiles=(fcn,)), run("two", profiles=(fcn,)), profiles=(unet,))
    assert [network["network"] for network in found["networks"]] == ["fcn8s", "unet"]
    assert [shown["networks"] for shown in found["runs"]] == [[0], [0]]


def test_damaged_options_and_environments_are_shown_as_far_as_they_go() -> None:
    rows = ({"epoch": 1, "seconds": "long"},)
    (shown,) = content(run("demo", config={}, environment={"packages": "none", "gpus": []}, history=rows))["runs"]
    assert shown["benchmark"] == "-"
    assert shown["environment"] == {"GPUs": "-"}
    assert "training duration" not in dict(shown["facts"])


def test_a_report_without_runs() -> None:
    assert content() == {"runs": [], "published": [], "networks": []}


def test_scores_and_options_are_in_the_page_as_tables_that_need_no_script() -> None:
    report = Report((run("<b>demo</b>", scored("demo/val", "best")),), (), (), (), ())
    html = page.render(report, collect(report, most=0, max_bytes=0, workers=1), "Runs")
    plain = re.findall(r"<noscript>(.*?)</noscript>", html.partition('<section id="run"')[2], re.DOTALL)[0]
    assert "Scores of &lt;b&gt;demo&lt;/b&gt;, val, best weights" in plain
    assert "<dt>IoU</dt><dd>50.0</dd>" in plain
    assert '<th scope="row">root</th><td>.../cityscapes</td>' in plain
