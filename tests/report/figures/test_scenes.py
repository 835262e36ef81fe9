"""Grids of scenes and animations of predictions."""

import os
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import InputError
from engine.files.folders import find
from report.figures import animations, scenes
from report.figures.folder import FigureFolder
from report.pictures.groups import Group, groups
from report.sources.collect import collect
from tests.report.drawn_runs import Options, draw


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    drawn = draw(tmp_path_factory.mktemp("drawn"), Options(runs=2, images=5, pictured=2, camvid=True))
    return groups(collect(drawn.folders, None), 1000, 1)[0]


def val(pictured: list[Group]) -> Group:
    return next(group for group in pictured if scenes.title(group) == "cityscapes val")


def written(pictured: list[Group], folder: Path, *wanted: str) -> FigureFolder:
    figures = FigureFolder(folder)
    scenes.write(pictured, scenes.named(pictured, wanted), figures, 1)
    return figures


def test_a_grid_of_each_split_with_ground_truth_is_a_png_of_300_dpi_and_a_pdf(
    pictured: list[Group], tmp_path: Path
) -> None:
    figures = written(pictured, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"scenes-cityscapes-val.png", "scenes-cityscapes-val.pdf"}
    with Image.open(tmp_path / "scenes-cityscapes-val.png") as picture:
        assert picture.width == 7 * 300
    assert b"CreationDate" not in (tmp_path / "scenes-cityscapes-val.pdf").read_bytes()
    assert any("image, ground truth, " in about for _, about in figures.entries)
    assert any("test" in what and "no ground truth" in why for what, why in figures.left_out)


def test_the_worst_scenes_of_the_best_result_are_chosen(pictured: list[Group]) -> None:
    group = val(pictured)
    best = scenes.ranked(group)[0]
    scored = [member.result.scores for member in group.members]
    averages = [next(iter(of.averages.values())) for of in scored if of]
    assert averages[best] == max(score for score in averages if score is not None)
    chosen = scenes.worst(group, best, 1)
    means = [scenes._mean(group.counts_of(best, scene.sample)) or 0 for scene in group.scenes]
    assert [scenes._mean(group.counts_of(best, scene.sample)) for scene in chosen] == sorted(means)[:3]


def test_scenes_without_recorded_counts_are_rated(pictured: list[Group]) -> None:
    from dataclasses import replace

    group = val(pictured)
    unknown = replace(group, counts=({},) * len(group.members))
    best = scenes.ranked(group)[0]
    assert {scene.sample.name for scene in scenes.worst(unknown, best, 1)} == {
        scene.sample.name for scene in scenes.worst(group, best, 1)
    }


def test_scenes_are_chosen_by_name_with_or_without_folder(pictured: list[Group], tmp_path: Path) -> None:
    first, second = (scene.sample.name for scene in val(pictured).scenes[:2])
    figures = written(pictured, tmp_path, first, second.rpartition("/")[2])
    assert [names[0] for names, _ in figures.entries] == ["scenes-cityscapes-val.png"]
    assert any("was chosen" in why for _, why in figures.left_out)


def test_an_unknown_scene_is_named_with_an_example(pictured: list[Group]) -> None:
    with pytest.raises(InputError, match=r"--scenes nowhere: no image .*give names such as"):
        scenes.named(pictured, ["nowhere"])
    with pytest.raises(InputError, match="--scenes nowhere"):
        scenes.named([], ["nowhere"])


def test_the_animation_has_a_frame_for_each_image(
    pictured: list[Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    figures = FigureFolder(tmp_path / "figures")
    animations.write([val(pictured)], figures)
    with Image.open(figures.folder / "predictions-cityscapes-val.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 5
    assert [path.suffix for path in find(figures.folder, "*")] == [".gif"]
    assert ["ffmpeg" in why for _, why in figures.left_out] == [True]


def fake_ffmpeg(folder: Path, script: str) -> None:
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_ffmpeg_gets_every_pixel_and_writes_the_video(
    pictured: list[Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "bin", 'for last; do :; done; wc -c > "$last"; echo "$@" >> "$last"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    figures = FigureFolder(tmp_path / "figures")
    animations.write([val(pictured)], figures)
    pixels, arguments = (figures.folder / "predictions-cityscapes-val.mp4").read_text().splitlines()
    words = arguments.split()
    width, height = map(int, words[words.index("-s") + 1].split("x"))
    assert width % 2 == height % 2 == 0
    assert int(pixels) == 5 * 3 * width * height
    assert not figures.left_out


def test_a_failing_ffmpeg_leaves_the_gif_and_a_reason(
    pictured: list[Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "bin", 'echo "first\nUnknown encoder" >&2; exit 3')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    figures = FigureFolder(tmp_path / "figures")
    animations.write([val(pictured)], figures)
    assert [path.name for path in find(figures.folder, "*", hidden=True)] == ["predictions-cityscapes-val.gif"]
    assert ["code 3 (Unknown encoder)" in why for _, why in figures.left_out] == [True]


def test_a_damaged_image_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    drawn = draw(tmp_path, Options(runs=1, images=2, pictured=1, submission=False))
    for image in find(drawn.data, "*_leftImg8bit.png"):
        content = image.read_bytes()
        image.unlink()  # it may be a link to another one
        image.write_bytes(content[:100])
    found = groups(collect(drawn.folders, None), 1000, 1)[0]
    figures = written(found, tmp_path / "figures")
    animations.write(found, figures)
    assert not figures.entries
    assert [what.split()[0] for what, _ in figures.left_out] == ["Grid", "Animation"]
    assert any("leftImg8bit.png" in why for _, why in figures.left_out)
