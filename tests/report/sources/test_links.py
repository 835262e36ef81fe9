"""Results and the runs that they are of."""

import hashlib
from pathlib import Path

import pytest

from engine.checkpoints import results_name
from report.sources.links import Link, find_run, of_runs, unique_names
from report.sources.results import ResultParts


def make_run(folder: Path, *weights: str) -> Path:
    """A run folder with files of weights, whose content is their path."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("epochs: 1\n")
    for name in weights:
        (folder / name).write_text(str(folder / name))
    return folder


def parts_of(folder: Path, sha256: str = "") -> ResultParts:
    return ResultParts(folder, origin={"weights_sha256": sha256})


@pytest.mark.parametrize("weights", ["best", "last", "epoch_003", "swa"])
def test_results_belong_to_the_run_that_their_name_was_made_of(tmp_path: Path, weights: str) -> None:
    run = make_run(tmp_path / "saved" / "first", f"{weights}.pth")
    folder = tmp_path / "outputs" / results_name(run / f"{weights}.pth") / "val"
    assert find_run(parts_of(folder), [run]) == Link(run, weights)


def test_usual_weights_need_not_exist_any_more(tmp_path: Path) -> None:
    run = make_run(tmp_path / "saved" / "first")
    assert find_run(parts_of(tmp_path / "outputs" / "first" / "val"), [run]) == Link(run, "best")
    assert find_run(parts_of(tmp_path / "outputs" / "first-last" / "val"), [run]) == Link(run, "last")
    assert find_run(parts_of(tmp_path / "outputs" / "first-other" / "val"), [run]) is None


def test_a_run_whose_name_begins_with_that_of_another_has_its_own_results(tmp_path: Path) -> None:
    short = make_run(tmp_path / "saved" / "unet", "best.pth", "last.pth")
    long = make_run(tmp_path / "saved" / "unet-last", "best.pth")
    runs = [short, long]
    assert find_run(parts_of(tmp_path / "outputs" / "unet-last" / "val"), runs) == Link(long, "best")
    (long / "best.pth").unlink()
    assert find_run(parts_of(tmp_path / "outputs" / "unet-last" / "val"), runs) == Link(short, "last")


def test_of_two_runs_of_a_name_the_nearer_one_has_the_results(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / place / "saved" / "first", "best.pth") for place in ("a", "b")]
    assert find_run(parts_of(tmp_path / "b" / "outputs" / "first" / "val"), runs) == Link(runs[1], "best")


def test_of_two_equally_near_runs_the_one_with_the_recorded_weights_has_the_results(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / place / "first", "best.pth") for place in ("a", "b")]
    folder = tmp_path / "outputs" / "first" / "val"
    digest = hashlib.sha256((runs[0] / "best.pth").read_bytes()).hexdigest()
    assert find_run(parts_of(folder, digest), runs) == Link(runs[0], "best")
    assert find_run(parts_of(folder, "0" * 64), runs) is None
    assert find_run(parts_of(folder), runs) is None


def test_a_result_of_another_name_is_of_the_run_with_the_same_weights(tmp_path: Path) -> None:
    run = make_run(tmp_path / "saved" / "first", "best.pth")
    named, moved = parts_of(tmp_path / "outputs" / "first" / "val", "a"), parts_of(tmp_path / "upload", "a")
    other = parts_of(tmp_path / "elsewhere", "b")
    found = of_runs([moved, named, other], [run])
    assert found == {run: [(moved, "best"), (named, "best")], tmp_path / "elsewhere": [(other, "")]}


def test_names_have_as_many_parts_as_are_needed() -> None:
    paths = [Path("/x/a/first"), Path("/x/b/first"), Path("/y/b/first"), Path("/x/second")]
    assert list(unique_names(paths).values()) == ["a/first", "x/b/first", "y/b/first", "second"]


def test_names_hold_no_control_characters() -> None:
    assert unique_names([Path("/x/bell\a")]) == {Path("/x/bell\a"): "bell\\x07"}
