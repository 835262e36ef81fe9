"""Figures by the command `python -m report`."""

from pathlib import Path

import pytest

from report import main
from tests.report.drawn_runs import Drawn, Options, draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(tmp_path_factory.mktemp("drawn"), Options(runs=1, images=2, pictured=1, submission=False))


def arguments(drawn: Drawn, *others: str) -> list[str]:
    return [*map(str, drawn.folders), "--output", str(drawn.saved.parent / "report.html"), *others]


def test_figures_are_written_next_to_the_page(drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(drawn, "--figures", str(tmp_path / "figures"))) == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {
        "README.md",
        "curves-fcn8s-00.svg",
        "overview-cityscapes-val.tex",
        "scenes-cityscapes-val.png",
    } <= names
    assert f"{tmp_path / 'figures'}: " in capsys.readouterr().out


def test_an_unknown_scene_writes_no_figure(drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(drawn, "--figures", str(tmp_path / "figures"), "--scenes", "nowhere")) == 2
    assert "--scenes nowhere" in capsys.readouterr().err
    assert not list((tmp_path / "figures").iterdir())


def test_scenes_without_figures_are_refused(drawn: Drawn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(drawn, "--scenes", "a")) == 2
    assert "--figures DIR" in capsys.readouterr().err
