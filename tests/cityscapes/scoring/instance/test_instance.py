"""Scores of the instance task, compared with those of the official script."""

import itertools
import json
import math
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityscapes.layout import scenes_with_instance_ids
from cityscapes.scoring import instance, main
from cityscapes.scoring.instance.pairs import Pair
from engine.errors import InputError
from engine.files.images import read_ids
from tests.cityscapes.drawn_instances import (
    KINDS,
    SCORED,
    IdMask,
    InstanceFolder,
    Predict,
    Prediction,
    areas,
    draw_scene,
    mixed,
    nothing,
    official_scores,
    on_void,
    perfect,
    shifted,
    small,
)
from tests.cityscapes.drawn_predictions import assert_equal


@pytest.fixture
def folder(tmp_path: Path) -> InstanceFolder:
    return InstanceFolder(tmp_path)


def ours_and_official(
    pairs: Sequence[Pair], predictions: Path, root: Path, split: str = "val"
) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = instance.measure(predictions, root, split).to_json()
    official = official_scores(pairs, predictions)
    return {key: ours[key] for key in official}, official


def assert_official(ours: dict[str, Any], official: dict[str, Any]) -> None:
    """Compare all figures; those that the others are averages of to the last bit."""
    assert set(ours) == set(official)
    assert np.array(ours["resultApMatrix"]).tobytes() == np.array(official["resultApMatrix"]).tobytes()
    for key, value in official.items():
        if key != "resultApMatrix":
            assert_equal(ours[key], value, key)


@pytest.mark.parametrize("predict", KINDS)
def test_all_figures_are_those_of_the_official_script(predict: Predict, folder: InstanceFolder) -> None:
    pairs = [folder.add(number, predict) for number in range(12)]
    ours, official = ours_and_official(pairs, folder.predictions, folder.root)
    assert_official(ours, official)
    assert official["averages"]["allAp50%"] > 0 or predict in (on_void, small)


def test_text_files_may_be_empty(folder: InstanceFolder) -> None:
    pairs = [folder.add(number, predict) for number, predict in enumerate([shifted, nothing, mixed, nothing])]
    ours, official = ours_and_official(pairs, folder.predictions, folder.root)
    assert_official(ours, official)
    for pair in pairs:
        pair.text.write_text("")
    ours, official = ours_and_official(pairs, folder.predictions, folder.root)
    assert_official(ours, official)
    assert ours["averages"]["allAp"] == 0


def test_a_class_that_is_only_predicted_has_no_score(folder: InstanceFolder) -> None:
    rng = np.random.default_rng(0)
    pairs = [folder.add(number, mixed, ids=draw_scene(rng, labels=[24, 26])) for number in range(4)]
    ours, official = ours_and_official(pairs, folder.predictions, folder.root)
    assert_official(ours, official)
    assert math.isnan(ours["averages"]["classes"]["train"]["ap"])
    assert ours["averages"]["allAp"] > 0


def test_scenes_without_instances_have_8_bits(folder: InstanceFolder) -> None:
    empty = np.where(draw_scene(np.random.default_rng(3)) < 100, 7, 26).astype(np.uint8)
    pairs = [folder.add(0, perfect), folder.add(1, on_void, ids=empty)]  # type: ignore[arg-type]
    assert_official(*ours_and_official(pairs, folder.predictions, folder.root))


def test_the_last_of_several_lines_with_the_same_mask_counts(
    folder: InstanceFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [folder.add(number, perfect) for number in range(3)]
    name = folder.mask(pairs[0]).name
    with pairs[0].text.open("a") as file:
        file.write(f"masks/{name} 26 0.5\nmasks/../masks/{name} 24 0.25\n./masks//{name} 33 0.75\n")
    assert_official(*ours_and_official(pairs, folder.predictions, folder.root))
    assert capsys.readouterr().err == (
        f"warning: {folder.predictions}: 3 lines not scored, because a later line names the same mask; "
        "write one mask for each line\n"
    )


def test_text_files_in_subfolders_have_masks_next_to_them(folder: InstanceFolder) -> None:
    pairs = [folder.add(number, mixed) for number in range(3)]
    (folder.predictions / "masks").rename(folder.predictions / "other")
    (folder.predictions / "ulm").mkdir()
    moved = []
    for pair in pairs:
        pair.text.write_text(pair.text.read_text().replace("masks/", "../other/"))
        moved.append(pair._replace(text=pair.text.rename(folder.predictions / "ulm" / pair.text.name)))
    assert_official(*ours_and_official(moved, folder.predictions, folder.root))


def test_a_prediction_of_which_all_is_ignored_scores_0_where_the_official_script_fails(folder: InstanceFolder) -> None:
    ids = np.full((40, 50), 7, np.uint16)
    ids[:20] = 0
    ids[30:, 20:40] = 26001

    def predict(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
        yield Prediction(26, 0.5, ids == 0)

    pair = folder.add(0, predict, ids=ids)
    assert instance.measure(folder.predictions, folder.root, "val").to_json()["averages"]["allAp"] == 0
    with pytest.raises(IndexError):
        official_scores([pair], folder.predictions)


def beside_all_instances(ids: IdMask) -> Iterator[Prediction]:
    """A false positive of each class. Without any, the official script fails if the other predictions are ignored."""
    empty = (ids == 7) | (ids == 11)
    for number, label_id in enumerate(SCORED):
        yield Prediction(label_id, 0.125, np.roll(empty, number, 1) & empty)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_scenes_have_the_official_figures(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = InstanceFolder(tmp_path_factory.mktemp("random"))
    height, width = data.draw(st.integers(30, 44)), data.draw(st.integers(36, 50))
    seeds = data.draw(st.lists(st.integers(0, 999_999), min_size=1, max_size=3, unique=True))
    labels = data.draw(st.lists(st.sampled_from(SCORED), min_size=1, max_size=3))
    confidences = data.draw(st.sampled_from([None, (0.5,), (0.25, 0.5, 0.75)]))
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))

    def predict(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
        for prediction in itertools.chain(*(kind(ids, rng) for kind in kinds)):
            confidence = prediction.confidence if confidences is None else float(rng.choice(confidences))
            if rng.random() < 0.7:
                yield prediction._replace(confidence=confidence)
        yield from beside_all_instances(ids)

    scenes = [draw_scene(np.random.default_rng(seed), (height, width), labels) for seed in seeds]
    pairs = [folder.add(seed, predict, ids=ids) for seed, ids in zip(seeds, scenes, strict=True)]
    try:
        result = instance.measure(folder.predictions, folder.root, "val")
    except InputError as error:
        assert "no instance of 100 pixels" in str(error)  # noqa: PT017  # in few of many scenes
        return
    ours = result.to_json()
    try:
        official = official_scores(pairs, folder.predictions)
    except IndexError:  # it fails if all predictions of a class are ignored
        return
    assert_official({key: ours[key] for key in official}, official)


@pytest.mark.parametrize("split", ["train", "val"])
def test_real_scenes_have_the_official_figures(split: str, real_data: Path, tmp_path: Path) -> None:
    root = real_data / "cityscapes"
    folder = InstanceFolder(tmp_path)
    pairs = []
    for number, scene in enumerate(scenes_with_instance_ids(root, split)):
        pair = Pair(scene.stem, folder.predictions / f"{scene.stem}.txt", scene.official_mask(root, "instanceIds"))
        folder.write(pair, list(some_of(KINDS[number % len(KINDS)], pair, number)))
        pairs.append(pair)
    ours, official = ours_and_official(pairs, folder.predictions, root, split)
    assert_official(ours, official)
    assert official["averages"]["allAp"] > 0


def some_of(predict: Predict, pair: Pair, seed: int, number: int = 8) -> Iterator[Prediction]:
    """A few predictions of a real scene, in which each takes the official script 30 milliseconds."""
    ids = read_ids(pair.instance_ids).astype(np.uint16)
    rng = np.random.default_rng(seed)
    kept = rng.permutation([found for _, found, _ in areas(ids)])[:number]
    drawn = list(predict(np.where(np.isin(ids, kept) | (ids < 24), ids, 7).astype(np.uint16), rng))
    yield from drawn[: 2 * number]
    if seed == 0:
        yield from beside_all_instances(ids)


@pytest.mark.parametrize("workers", ["2", "4"])
def test_any_number_of_workers_writes_the_same_bytes(workers: str, folder: InstanceFolder, tmp_path: Path) -> None:
    for number in range(6):
        folder.add(number, mixed)
    arguments = folder.argv("--output")
    assert main([*arguments, str(tmp_path / "one.json")]) == 0
    assert main([*arguments, str(tmp_path / "many.json"), "--workers", workers]) == 0
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "many.json").read_bytes()


def test_the_output_is_strict_json_with_our_figures_too(folder: InstanceFolder, tmp_path: Path) -> None:
    folder.add(0, perfect, ids=draw_scene(np.random.default_rng(1), labels=[26]))
    assert main(folder.argv("--output", str(tmp_path / "scores.json"))) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads((tmp_path / "scores.json").read_text(), parse_constant=refuse)
    assert content["distanceThresholds"] == [None, 100.0, 50.0]
    assert content["averages"]["classes"]["bus"] == {"ap": None, "ap50%": None}
    assert content["averages"]["classes"]["car"] == {"ap": 1.0, "ap50%": 1.0}
    assert content["coverage"]["split"] == "val"
    assert content["allApInterval"] == [1.0, 1.0]
    assert content["classApIntervals"]["car"] == [1.0, 1.0]
    assert content["classApIntervals"]["bus"] == [None, None]
    assert list(content["images"]) == ["ulm_000000_000019"]
    assert set(content["images"]["ulm_000000_000019"]["car"]) == {"instances", "confidences", "outcomes"}


def test_memory_does_not_grow_with_the_number_of_images(folder: InstanceFolder) -> None:
    def peak(scenes: int) -> int:
        for number in range(scenes):
            folder.add(number, perfect, ids=np.tile(draw_scene(np.random.default_rng(number)), (8, 8)))
        tracemalloc.start()
        try:
            instance.measure(folder.predictions, folder.root, "val")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # imports
    few, many = peak(4), peak(16)
    assert many < few + 12 * 20_000 < 16 * 512 * 384 * 2
