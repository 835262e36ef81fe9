"""Groups of results, their faults, and the choice of scenes."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InputError
from report.pictures.groups import brief, groups, worst
from tests.report.pictures.drawn import flat_counts, report, result, write_predictions


def test_results_of_the_same_samples_form_a_group(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root)
    write_predictions(tmp_path / "b", demo_root)
    write_predictions(tmp_path / "c", demo_root, "train")
    results = result(tmp_path / "a", demo_root), result(tmp_path / "b", demo_root / ".." / demo_root.name)
    found, faults = groups(report(*results, result(tmp_path / "c", demo_root, split="train")), 500, 1)
    assert faults == []
    assert [(group.split, len(group.members), len(group.scenes)) for group in found] == [("val", 2, 3), ("train", 1, 4)]
    assert [member.run for member in found[0].members] == ["run of a", "run of b"]


def test_a_scene_needs_only_one_prediction(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root)
    write_predictions(tmp_path / "b", demo_root)
    for path in sorted((tmp_path / "b").rglob("*.png"))[1:]:
        path.unlink()
    found, _ = groups(report(result(tmp_path / "a", demo_root), result(tmp_path / "b", demo_root)), 500, 1)
    assert [[path is not None for path in scene.predictions] for scene in found[0].scenes] == [
        [True, True],
        [True, False],
        [True, False],
    ]


@pytest.mark.parametrize("end", [".png", "_leftImg8bit.png", "-pred.png"])
def test_predictions_of_other_programs_are_found_by_the_beginning_of_their_names(
    demo_root: Path, tmp_path: Path, end: str
) -> None:
    write_predictions(tmp_path / "a", demo_root)
    for path in sorted((tmp_path / "a").rglob("*.png")):
        path.rename(tmp_path / "a" / path.name.replace("_labelId_preds.png", end))
    first = min((tmp_path / "a").glob("*.png"))
    (tmp_path / "a" / "more").mkdir()
    (tmp_path / "a" / "more" / first.name).write_bytes(first.read_bytes())
    found, faults = groups(report(result(tmp_path / "a", demo_root)), 500, 1)
    assert faults == []
    shown = [scene.predictions[0] for scene in found[0].scenes]
    assert len(shown) == 2, "the first has two files, so none is shown"
    assert all(path is not None and path.name.endswith(end) for path in shown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"benchmark": "os.path"}, "benchmark 'os.path', expected one of cityscapes"),
        ({"root": None}, "the folder of the data set is unknown"),
        ({"root": None, "split": None}, "the folder of the images is unknown"),
        ({"split": "../val"}, "split '../val', expected one of train, val, test"),
        ({"root": Path("nowhere")}, "no such folder of the data set"),
        ({"split": "train"}, "no prediction of the 4 images of train; expected for example"),
    ],
)
def test_a_group_that_cannot_be_shown_is_a_fault(
    demo_root: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    write_predictions(tmp_path / "a", demo_root)
    one = result(tmp_path / "a", demo_root)
    assert one.predictions is not None
    changed = replace(one, predictions=replace(one.predictions, **changes))  # type: ignore[arg-type]
    found, faults = groups(report(changed), 500, 1)
    assert found == []
    assert len(faults) == 1
    assert faults[0].path == str(tmp_path / "a")
    assert message in faults[0].message
    assert str(demo_root) not in faults[0].message


def test_the_worst_scenes_of_each_result_are_kept() -> None:
    first, second = ((0.9, 0.1, 0.5, 0.7), (0.2, 0.8, 0.6, 0.7))
    rows = [[flat_counts("", one), flat_counts("", two)] for one, two in zip(first, second, strict=True)]
    assert worst(rows, 2) == [0, 1]
    assert worst(rows, 3) == [0, 1, 2]
    assert worst(rows, 9) == [0, 1, 2, 3]


def test_without_scores_the_first_scenes_are_kept() -> None:
    assert worst([[None], [flat_counts("", 0.5)], [None], [None]], 3) == [0, 1, 2]


def test_scores_of_the_result_file_choose_the_scenes(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root)
    stems = [path.name.removesuffix("_labelId_preds.png") for path in sorted((tmp_path / "a").rglob("*.png"))]
    counts = tuple(flat_counts(stem, share) for stem, share in zip(stems, (0.5, 0.1, 0.4), strict=True))
    found, _ = groups(report(result(tmp_path / "a", demo_root, counts=counts)), 1, 1)
    assert [Path(scene.sample.name).name for scene in found[0].scenes] == [stems[1]]
    assert found[0].available == 3


def test_masks_choose_the_scenes_without_scores(demo_root: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", demo_root, wrong=0.3)
    everything, _ = groups(report(result(tmp_path / "a", demo_root)), 3, 1)
    found, _ = groups(report(result(tmp_path / "a", demo_root)), 1, 1)
    assert found[0].scenes == everything[0].scenes[2:]


def test_a_fault_keeps_its_slashes_whatever_the_folder_of_the_data_set() -> None:
    error = InputError("/: neither a/ nor b/ in it", "and more")
    assert brief(error, [Path("/")]) == "/: neither a/ nor b/ in it (and 1 more)"
    assert (
        brief(InputError("/data/x/a.png: torn; see docs/data.md"), [Path("/data/x")]) == "a.png: torn; see docs/data.md"
    )
    assert brief(InputError("/data/x: no such folder"), [Path("/data/x"), Path("x")]) == "x: no such folder"
