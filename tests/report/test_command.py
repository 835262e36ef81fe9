from pathlib import Path

import pytest

from report import command
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
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
