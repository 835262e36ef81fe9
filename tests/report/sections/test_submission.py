import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from report.pictures.collect import Pictures
from report.records import Agreement, AgreementRow, Report, Result, Run, Submission, SubmissionState
from report.sections import submission

HASH = "b278b38ec95417964c8881e8884cfeb45269d0d7c3a31f1c47fe408900db63bd"
CHECKED = Submission(
    path=Path("outputs/a/test/submission.zip"),
    bytes=17_511,
    sha256=HASH,
    checked="2026-11-28T12:50:31Z",
    verdict="ok: 1525 predictions",
    faults=(),
    made_with={"flip": False, "weights_sha256": HASH, "commit": "c1fde47ef5e5", "scales": [0.5, 1.0], "resize": None},
    state="ready",
    task="pixel",
)


def section(*submissions: Submission, agreements: tuple[Agreement, ...] = (), benchmark: str = "") -> dict[str, Any]:
    results = [
        Result(f"a/{number}", Path("a"), "best", "test", benchmark, submission=of)
        for number, of in enumerate(submissions)
    ]
    run = Run("a", None, "results only", "", {}, (), {}, "2026-11-28", (), tuple(results), (), ())
    content = submission.data(Report((run,), agreements, (), (), ()), Pictures())
    json.dumps(content, allow_nan=False)
    return content


def test_an_archive() -> None:
    (found,) = section(CHECKED)["archives"]
    assert (found["result"], found["name"], found["run"]) == ("a/0", "submission.zip", "a")
    assert (found["size"], found["sha256"], found["checked"]) == ("17.5 kB", HASH, "2026-11-28 12:50 UTC")
    assert (found["commit"], found["weights"]) == ("c1fde47ef5e5", HASH)
    assert found["made_with"] == [
        ["commit", "c1fde47ef5e5"],
        ["weights (SHA-256)", HASH],
        ["flip", "no"],
        ["scales", "0.5, 1.0"],
        ["resize", "-"],
    ]


@pytest.mark.parametrize(
    ("state", "badge", "advice"),
    [
        ("ready", "ready for the server", "Upload it"),
        ("not official", "not the full test set", "It is for a demo"),
        ("faults", "faults", "Fix the predictions"),
        ("unchecked", "not checked", "Check it in its folder: `python -m cityscapes.submission check submission.zip"),
        ("changed", "changed after the check", "Check it in its folder"),
        ("missing", "archive missing", "Pack the predictions again"),
    ],
)
def test_each_state_has_a_badge_and_advice(state: SubmissionState, badge: str, advice: str) -> None:
    (found,) = section(replace(CHECKED, state=state))["archives"]
    assert found["badge"] == badge
    assert found["advice"].startswith(advice)
    assert (found["kind"] == "good") == (state == "ready")


def test_archives_of_other_benchmarks_cannot_be_checked_by_the_command_of_cityscapes() -> None:
    (found,) = section(replace(CHECKED, state="unchecked"), benchmark="kitti_road")["archives"]
    assert "cityscapes" not in found["advice"]


@pytest.mark.parametrize(
    ("number", "text"), [(None, None), (999, "999 bytes"), (17_511_334, "17.5 MB"), (2_500_000_000_000, "2500.0 GB")]
)
def test_sizes(number: int | None, text: str | None) -> None:
    assert section(replace(CHECKED, bytes=number))["archives"][0]["size"] == text


def test_unusual_settings_and_times() -> None:
    odd = replace(CHECKED, checked="yesterday", made_with={"commit": 3, "options": {"a": [1, None], "b": True}})
    (found,) = section(odd)["archives"]
    assert (found["checked"], found["commit"]) == ("yesterday", "")
    assert found["made_with"] == [["commit", "3"], ["options", "a: 1, -, b: yes"]]


ROWS = (
    AgreementRow("all", "all", 3_000_000, 31, 100_000, 20),
    AgreementRow("label", "road", 2_000_000, 1, 50_000, 1),
    AgreementRow("label", "car", 1_000_000, 30, 50_000, 19),
    AgreementRow("label", "train", 0, 0, 0, 0),
    AgreementRow("image", "aachen_000000", 1_000_000, 1, 50_000, 1),
    AgreementRow("image", "aachen_000001", 1_000_000, 0, 50_000, 0),
    AgreementRow("image", "aachen_000002", 1_000_000, 30, 50_000, 19),
)


def test_agreement_by_label_and_image() -> None:
    (found,) = section(agreements=(Agreement(Path("data/generated_gt/agreement.csv"), ROWS),))["agreements"]
    assert found["name"] == "data/generated_gt/agreement.csv"
    assert found["total"]["agreement"] == "99.999"
    assert [row["name"] for row in found["labels"]] == ["car", "road"]
    assert found["labels"][0]["per_million"] == 30
    assert found["labels"][0]["per_million_at_boundary"] == 19
    assert (found["labels"][1]["boundary_agreement"], found["labels"][1]["inner_agreement"]) == ("99.998", "100")
    assert [row["name"] for row in found["worst"]] == ["aachen_000002", "aachen_000000"]
    assert (found["images"], found["differing_images"]) == (3, 2)


def test_the_folders_of_an_absolute_path_are_left_out() -> None:
    path = Path("/home/someone/secret/data/generated_gt/agreement.csv")
    (found,) = section(agreements=(Agreement(path, ROWS[:1]),))["agreements"]
    assert found["name"] == "data/generated_gt/agreement.csv"
    assert (found["labels"], found["worst"]) == ([], [])


def test_nothing_was_packed_or_compared() -> None:
    assert section() == {"archives": [], "agreements": []}
    assert section(agreements=(Agreement(Path("agreement.csv"), ()),))["agreements"][0]["total"] is None


def test_a_file_name_that_is_no_text_is_escaped() -> None:
    (found,) = section(replace(CHECKED, path=Path("a/\udcff\u202e.zip"), state="unchecked"))["archives"]
    assert found["name"] == "\\udcff\\u202e.zip"
    assert found["name"] in found["advice"]
