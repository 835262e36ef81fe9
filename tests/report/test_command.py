from pathlib import Path

import numpy as np
import pytest

from engine.files.atomic import write_json
from engine.files.images import write_png
from report import command
from tests.report import drawn_records
from tests.report.drawn_runs import Options, draw


def test_faults_are_printed_with_their_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = draw(tmp_path, Options(runs=1, images=1, height=32, width=64, submission=False))
    broken = drawn.saved / "fcn8s-00" / "config.yaml"
    broken.write_text("epochs: [", encoding="utf-8")
    output = tmp_path / "report.html"
    assert command.main([*map(str, drawn.folders), "--output", str(output), "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert "1 run" in printed.out
    assert "note: not shown, or only in part:" in printed.err
    assert "config.yaml" in printed.err
    assert output.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_of_many_faults_the_first_ones_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(14):
        scores = tmp_path / "outputs" / f"{number}" / "val" / "scores.json"
        scores.parent.mkdir(parents=True)
        scores.write_text("{", encoding="utf-8")
    output = tmp_path / "report.html"
    assert command.main([str(tmp_path / "outputs"), "--output", str(output), "--workers", "1"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "note: and 4 more; the page lists them at its top"
    assert output.read_text(encoding="utf-8").count("scores.json") >= 14


def test_no_path_of_this_machine_is_in_the_page_or_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = draw(tmp_path, Options(runs=2, images=3, height=32, width=64, damaged=True))
    wrong, torn = sorted((drawn.outputs / "fcn8s-00" / "val" / "predictions").rglob("*.png"))[:2]
    write_png(wrong, np.zeros((3, 5), np.uint8))
    torn.write_bytes(b"torn")
    unknown = drawn.outputs / "unknown" / "val"
    (unknown / "predictions").mkdir(parents=True)
    write_json(unknown / "predictions.json", {"origin": {"benchmark": "camvid"}, "source": {"root": "/no/such"}})
    output = tmp_path / "report.html"
    folders = map(str, (drawn.saved, drawn.outputs, drawn.data / "cityscapes" / "generated_gt"))
    assert command.main([*folders, "--output", str(output), "--workers", "1"]) == 0
    printed, page = capsys.readouterr().err, output.read_text(encoding="utf-8")
    assert "<code>outputs/fcn8s-00/val/predictions</code>: 2 mask(s) not shown: " in page
    for message in (f"{wrong.name}: 5 x 3 pixels", "no picture is shown: the folder of the data set is unknown"):
        assert message in page
    assert "saved/damaged/config.yaml" in printed
    assert str(tmp_path) not in page + printed


def test_folders_without_any_run_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path), "--output", str(tmp_path / "report.html"), "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith(f"note: no run or result in {tmp_path}; expected runs of train_fcn.py, ")


def test_a_folder_of_an_agreement_alone_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn_records.write_agreement(tmp_path / "agreement.csv", ["a", "b"])
    assert command.main([str(tmp_path), "--output", str(tmp_path / "report.html"), "--workers", "1"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        ([".", "--root", "nowhere"], "--root nowhere: no such folder"),
        ([".", "--pictures", "-1"], "--pictures"),
        ([".", "--scenes", "a"], "give --figures DIR too"),
        ([".", "--output", "."], "report.html"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(command.main(words))
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
