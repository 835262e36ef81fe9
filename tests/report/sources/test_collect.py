"""The records below some folders, as a reader of the report gets them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.files.atomic import write_json
from report.records import AgreementRow, Predictions, Report, Run
from report.sources.collect import collect
from tests.cityscapes.scoring.panoptic.drawn_counts import draw_result
from tests.report.drawn_records import network_profile

CONFIG = {"epochs": 2, "network": "unet", "benchmark": "camvid", "root": "/data/camvid", "name": "first"}
CLASSES = 11


def row(epoch: int, miou: float | None = 0.5) -> dict[str, Any]:
    """A short row of a history."""
    lists = {f"{split}_iou": [0.25] * CLASSES for split in ("train", "val")}
    return {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1.0, "val_miou": miou, **lists}


def write_run(folder: Path, *rows: dict[str, Any], **options: Any) -> Path:
    """Write a run folder, without weights."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | options))
    (folder / "environment.json").write_text(json.dumps([{"commit": "old"}, {"commit": "new"}]))
    if rows:
        (folder / "history.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return folder


def the_run(report: Report) -> Run:
    """The only run of a report."""
    (run,) = report.runs
    return run


def test_a_run_has_its_options_epochs_and_the_environment_of_its_last_start(tmp_path: Path) -> None:
    write_run(tmp_path / "saved" / "first", row(1, 0.5), row(2, 0.4))
    run = the_run(collect([tmp_path / "saved"], None))
    assert (run.name, run.status, run.progress) == ("first", "complete", "2 of 2 epochs")
    assert run.config == CONFIG | {"root": "camvid"}  # no folder of this machine
    assert run.environment == {"commit": "new"}
    assert [one["epoch"] for one in run.history] == [1, 2]
    assert run.best is not None
    assert run.best["epoch"] == 1
    assert len(run.classes) == CLASSES
    assert run.classes[0] == "sky"
    assert run.faults == ()


@pytest.mark.parametrize(("rows", "progress"), [([], "0 of 2 epochs"), ([row(1)], "1 of 2 epochs")])
def test_a_run_with_fewer_epochs_is_unfinished(tmp_path: Path, rows: list[dict[str, Any]], progress: str) -> None:
    write_run(tmp_path / "first", *rows)
    run = the_run(collect([tmp_path], None))
    assert (run.status, run.progress) == ("unfinished", progress)
    assert run.faults == ()


def test_a_damaged_configuration_is_a_fault_of_its_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "saved" / "first", row(1))
    (folder / "config.yaml").write_text("epochs: [")
    report = collect([tmp_path / "saved"], None)
    run = the_run(report)
    assert run.status == "damaged"
    assert [fault.path for fault in run.faults] == ["saved/first/config.yaml"]
    assert "broken YAML" in run.faults[0].message
    assert report.faults == ()


def test_a_run_without_options_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "saved" / "first").mkdir(parents=True)
    (tmp_path / "saved" / "first" / "last.pth").write_bytes(b"weights")
    run = the_run(collect([tmp_path / "saved"], None))
    assert (run.status, run.config) == ("damaged", {})
    (fault,) = run.faults
    assert fault.path == "saved/first/config.yaml"
    assert fault.message.startswith("no such file, expected the options of the training")


def test_files_that_are_still_being_written_are_not_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "first", row(1))
    for name in (".last.pth.k3.part", ".history.csv.k4.part", ".lock", ".scores.json.k5.part"):
        (folder / name).write_bytes(b"{")
    run = the_run(collect([tmp_path], None))
    assert (run.status, run.faults, run.results) == ("unfinished", (), ())


def write_scores(path: Path, seed: int = 0) -> Path:
    """Write a result of the panoptic task, the smallest one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, draw_result(seed, 2).to_json())
    return path


def test_results_belong_to_their_runs_and_others_to_runs_without_a_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "saved" / "first", row(1), row(2))
    (run / "last.pth").write_bytes(b"weights")
    for number, name in enumerate(("first", "first-last", "other")):
        write_scores(tmp_path / "outputs" / name / "val" / "scores.json", number)
    report = collect([tmp_path / "saved", tmp_path / "outputs"], None)
    runs = {run.name: run for run in report.runs}
    assert [(result.key, result.weights, result.split) for result in runs["first"].results] == [
        ("first/val", "best", "val"),
        ("first-last/val", "last", "val"),
    ]
    assert (runs["other"].status, runs["other"].folder, runs["other"].results[0].weights) == ("results only", None, "")
    assert runs["first"].scored is runs["first"].results[0]
    assert {result.key for result in report.results} == {"first/val", "first-last/val", "other/val"}


def test_files_of_scores_are_results_and_copies_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    write_scores(folder / "first" / "val" / "scores.json")
    write_scores(folder / "first" / "val" / "copy.json")
    (folder / "latest.json").symlink_to(folder / "first" / "val" / "scores.json")
    write_scores(folder / "first" / "val" / "flipped.json", 1)
    write_scores(folder / "alone.json", 2)
    (folder / "settings.json").write_text('{"name": "first"}')
    (folder / "broken.json").write_text("{")
    report = collect([folder], None)
    assert report.faults == ()
    assert {run.name: [result.key for result in run.results] for run in report.runs} == {
        "first": ["first/val", "first/val/flipped"],
        "alone": ["alone/val"],
    }


def test_a_result_of_the_same_task_in_two_folders_has_two_names(tmp_path: Path) -> None:
    for number, place in enumerate("ab"):
        write_scores(tmp_path / place / "first" / "val" / "scores.json", number)
    report = collect([tmp_path], None)
    assert {run.name: [result.key for result in run.results] for run in report.runs} == {
        "a/first": ["a/first/val"],
        "b/first": ["b/first/val"],
    }


def test_two_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for place in "ab":
        write_run(tmp_path / place / "first", row(1))
    assert sorted(run.name for run in collect([tmp_path], None).runs) == ["a/first", "b/first"]


def test_a_folder_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    write_run(tmp_path / "first", row(1))
    assert len(collect([tmp_path, tmp_path / "first", tmp_path], None).runs) == 1


def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new", "middle")):
        folder = write_run(tmp_path / name, row(1))
        for path in folder.iterdir():
            os.utime(path, times=(0, (1, 3, 2)[number] * 86400))
    runs = collect([tmp_path], None).runs
    assert [(run.name, run.modified) for run in runs] == [
        ("new", "1970-01-04"),
        ("middle", "1970-01-03"),
        ("old", "1970-01-02"),
    ]


def test_profiles_of_networks_are_of_the_runs_with_this_network_and_number_of_classes(tmp_path: Path) -> None:
    write_run(tmp_path / "saved" / "first", row(1), network="unet")
    profiles = [network_profile("unet") | {"classes": classes} for classes in (11, 19)]
    write_json(tmp_path / "outputs" / "profile.json", [*profiles, network_profile("fcn8s")])
    report = collect([tmp_path], None)
    (run,) = report.runs
    assert [profile.content["classes"] for profile in run.profiles] == [11]
    assert [(profile.network, profile.content["classes"]) for profile in report.profiles] == [
        ("unet", 19),
        ("fcn8s", 19),
    ]


def write_predictions(folder: Path, **source: str) -> None:
    """Write the record of predictions, and their folder."""
    (folder / "predictions").mkdir(parents=True)
    write_json(folder / "predictions.json", {"origin": {"benchmark": "camvid"}, "source": source, "images": {}})


def test_predictions_have_the_recorded_root_or_else_the_given_one(tmp_path: Path) -> None:
    recorded, given = tmp_path / "recorded", tmp_path / "given"
    recorded.mkdir()
    write_predictions(tmp_path / "outputs" / "here" / "val", root=str(recorded), split="val")
    write_predictions(tmp_path / "outputs" / "moved" / "val", root="/no/such/folder", split="val")
    found = {result.key: result.predictions for result in collect([tmp_path / "outputs"], given).results}
    assert found["here/val"] == Predictions(tmp_path / "outputs/here/val/predictions", "camvid", recorded, "val")
    assert found["moved/val"] == Predictions(tmp_path / "outputs/moved/val/predictions", "camvid", given, "val")


def test_predictions_of_images_without_a_split_have_the_folder_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    folder = tmp_path / "outputs" / "first" / "images"
    write_predictions(folder, images=str(tmp_path / "photos"))
    (result,) = collect([tmp_path / "outputs"], tmp_path).results
    assert (result.key, result.split) == ("first/images", "images")
    assert result.predictions == Predictions(folder / "predictions", "camvid", None, None, tmp_path / "photos")


def test_an_agreement_is_read_and_a_wrong_one_is_a_fault(tmp_path: Path) -> None:
    head = "of,name,pixels,differing,boundary,boundary_differing,agreement\n"
    for name, rows in (("good", "all,all,9,2,3,1,0.7\nlabel,road,9,2,3,1,0.7\n"), ("bad", "all,all,9,10,3,1,0.7\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "agreement.csv").write_text(head + rows)
    report = collect([tmp_path], None)
    (agreement,) = report.agreements
    assert agreement.rows == (AgreementRow("all", "all", 9, 2, 3, 1), AgreementRow("label", "road", 9, 2, 3, 1))
    (fault,) = report.faults
    assert fault.path == f"{tmp_path.name}/bad/agreement.csv"
    assert "the counts of all contradict each other" in fault.message


def test_no_path_of_this_machine_is_in_the_values(tmp_path: Path) -> None:
    options = {"root": str(tmp_path), "backbone_weights": r"C:\Users\someone\vgg.pth", "cache": "relative/folder"}
    write_run(tmp_path / "first", row(1), **options)
    (run,) = collect([tmp_path], None).runs
    assert (run.config["root"], run.config["backbone_weights"]) == (tmp_path.name, "vgg.pth")
    assert run.config["cache"] == "relative/folder"


def test_folders_without_anything_make_an_empty_report(tmp_path: Path) -> None:
    report = collect([tmp_path, tmp_path / "missing"], None)
    assert (report.runs, report.agreements, report.profiles, report.faults) == ((), (), (), ())
    assert report.published


def test_a_run_of_very_many_epochs_says_that_some_are_shown(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "val_miou": 0.5} for epoch in range(1, 2501)]
    write_run(tmp_path / "first", *rows, epochs=2500)
    (run,) = collect([tmp_path], None).runs
    assert (run.status, run.progress) == ("complete", "2500 of 2500 epochs, of which some are shown")
    assert run.faults == ()
