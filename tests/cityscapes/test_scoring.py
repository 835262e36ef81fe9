import contextlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityscapes.labels import BY_ID, TRAIN_ID_OF
from cityscapes.layout import Scene, labelled_scenes
from cityscapes.scoring import main, measure, score, scores_of, table
from cityscapes.scoring.counts import Pair, count, read
from engine.faults import InputError
from engine.images import read_ids, write_png

Mask = npt.NDArray[np.uint8]
Predict = Callable[[Mask, np.random.Generator], Mask]


# The official scorer


def load_official() -> types.ModuleType:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as module  # noqa: N813
    module.args.quiet, module.args.JSONOutput = True, False
    return module  # type: ignore[no-any-return]


OFFICIAL = load_official()


def official_scores(pairs: Sequence[Pair]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "in1d", np.isin, raising=False)
        predictions = [str(pair.prediction) for pair in pairs]
        masks = [str(pair.label_ids) for pair in pairs]
        return OFFICIAL.evaluateImgLists(predictions, masks, OFFICIAL.args)  # type: ignore[no-any-return]


def assert_equal(ours: Any, official: Any, where: str = "") -> None:
    if isinstance(official, dict):
        assert list(ours) == list(official) if where else set(ours) == set(official), where
        for key, value in official.items():
            assert_equal(ours[key], value, f"{where}/{key}")
    elif isinstance(official, float):
        assert isinstance(ours, float), where
        assert ours == pytest.approx(official, rel=0, abs=1e-9, nan_ok=True), where
    else:
        assert ours == official, where


# Small scenes


def draw_masks(rng: np.random.Generator, size: tuple[int, int], labels: Sequence[int]) -> tuple[Mask, Mask]:
    """Patches of labels; those that have instances are instances or, one in four, groups."""
    cells = tuple(-(-side // 4) for side in size)
    label_ids = rng.choice(labels, cells)
    number = rng.integers(0, 4, cells)
    has_instances = np.array([BY_ID[label_id].has_instances for label_id in range(34)])
    single = has_instances[label_ids] & (rng.random(cells) < 0.75)
    instance_ids = np.where(single, label_ids * 1000 + number, label_ids)

    def enlarge(mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return mask.repeat(4, 0).repeat(4, 1)[: size[0], : size[1]]

    return enlarge(label_ids).astype(np.uint8), enlarge(instance_ids).astype(np.uint16)


def perfect(mask: Mask, rng: np.random.Generator) -> Mask:
    return mask


def shifted(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.roll(mask, (1, -2), (0, 1))


def noisy(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.where(rng.random(mask.shape) < 0.2, rng.integers(0, 34, mask.shape), mask).astype(np.uint8)


def all_void(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.zeros_like(mask)


def single_class(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.full_like(mask, 26)


class Folder:
    """A Cityscapes root with predictions beside it."""

    def __init__(self, path: Path) -> None:
        self.root = path / "data"
        self.predictions = path / "predictions"

    def add(
        self,
        number: int = 0,
        predict: Predict = shifted,
        *,
        labels: Sequence[int] = range(34),
        size: tuple[int, int] = (30, 41),
        split: str = "val",
    ) -> Pair:
        rng = np.random.default_rng(number)
        label_ids, instance_ids = draw_masks(rng, size, labels)
        scene = Scene(split, "ulm", f"ulm_{number:06}_000019")
        pair = Pair(
            scene.stem,
            self.predictions / f"{scene.stem}_labelId_preds.png",
            scene.official_mask(self.root, "labelIds"),
            scene.official_mask(self.root, "instanceIds"),
        )
        for path, mask in zip(pair[1:], (predict(label_ids, rng), label_ids, instance_ids), strict=True):
            write_png(path, mask)
        return pair

    def argv(self, *more: str) -> list[str]:
        return ["--predictions", str(self.predictions), "--root", str(self.root), "--workers", "1", *more]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# Figures


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("predict", [perfect, shifted, noisy, all_void, single_class])
def test_scores_are_the_official_ones(folder: Folder, predict: Predict, seed: int) -> None:
    pairs = [folder.add(3 * seed + number, predict) for number in range(3)]
    assert_equal(score(folder.predictions, folder.root, "val").to_json(), official_scores(pairs))


@pytest.mark.parametrize("predict", [perfect, noisy, single_class])
@pytest.mark.parametrize("labels", [[7, 8, 24], [0, 3, 11, 29, 30], [1, 26, 27], [4, 33]])
def test_scores_are_the_official_ones_where_classes_are_absent(
    folder: Folder, predict: Predict, labels: list[int]
) -> None:
    pairs = [folder.add(number, predict, labels=labels) for number in range(2)]
    assert_equal(score(folder.predictions, folder.root, "val").to_json(), official_scores(pairs))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    labels=st.lists(st.integers(0, 33), min_size=1, max_size=6),
    predict=st.sampled_from([perfect, shifted, noisy, all_void, single_class]),
)
def test_any_tiny_scene_scores_as_officially(
    seed: int, size: tuple[int, int], labels: list[int], predict: Predict
) -> None:
    with tempfile.TemporaryDirectory() as path:
        pair = Folder(Path(path)).add(seed % 1_000_000, predict, labels=labels, size=size)
        assert_equal(scores_of(count(pair, read(pair))).to_json(), official_scores([pair]))


def blotched(mask: Mask, rng: np.random.Generator) -> Mask:
    prediction = shifted(mask, rng)
    rows, columns = rng.integers(0, 1000, 200), rng.integers(0, 2000, 200)
    for row, column in zip(rows, columns, strict=True):
        prediction[row : row + 24, column : column + 48] = rng.integers(0, 34)
    return prediction


def only_what_is_absent(mask: Mask, rng: np.random.Generator) -> Mask:
    """Trains for roads."""
    return np.where(mask == 7, 31, mask).astype(np.uint8)


@pytest.mark.parametrize("predict", [perfect, blotched, noisy, all_void, single_class, only_what_is_absent])
def test_real_masks_score_as_officially(folder: Folder, predict: Predict) -> None:
    root = real_root()
    rng = np.random.default_rng(0)
    pairs, scenes = [], []
    for scene in labelled_scenes(root, "val"):
        label_ids = read_ids(scene.official_mask(root, "labelIds")).astype(np.uint8)
        if predict is only_what_is_absent and (label_ids == 31).any():
            continue
        scenes.append(scene)
        path = folder.predictions / scene.city / f"{scene.stem}.png"
        write_png(path, predict(label_ids, rng))
        pairs.append(Pair(scene.stem, path, *(scene.official_mask(root, kind) for kind in ("labelIds", "instanceIds"))))
    ours = score(folder.predictions, root, "val", workers=2, scenes=scenes)
    assert_equal(ours.to_json(), official_scores(pairs))


def real_root() -> Path:
    folders = [Path(__file__).parents[3] / "shared/data"]
    if "SEGMENTATION_DATA" in os.environ:
        folders.insert(0, Path(os.environ["SEGMENTATION_DATA"]))
    for path in folders:
        if labelled_scenes(path / "cityscapes", "val"):
            return path / "cityscapes"
    return pytest.skip("no real masks: neither SEGMENTATION_DATA nor ../shared/data has cityscapes/gtFine/val")


def test_the_number_of_workers_changes_no_byte(folder: Folder, tmp_path: Path) -> None:
    for number in range(12):
        folder.add(number, noisy)
    for workers in ("1", "4"):
        assert main(folder.argv("--workers", workers, "--output", str(tmp_path / f"{workers}.json"))) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "4.json").read_bytes()


def test_a_perfect_prediction_scores_one_in_everything(folder: Folder) -> None:
    folder.add(size=(200, 200), predict=perfect)
    scores = score(folder.predictions, folder.root, "val").to_json()
    assert [value for key, value in scores.items() if key.startswith("average")] == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("mode", ["P", "I;16"])
def test_a_palette_and_a_16_bit_image_score_by_their_ids(folder: Folder, mode: str) -> None:
    pair = folder.add()
    before = score(folder.predictions, folder.root, "val").to_json()
    prediction = Image.fromarray(read_ids(pair.prediction))
    if mode == "P":
        prediction.putpalette(bytes(range(255, -1, -1)) * 3)
    else:
        prediction = Image.fromarray(np.asarray(prediction).astype(np.uint16))
    assert prediction.mode == mode
    prediction.save(pair.prediction)
    assert_equal(score(folder.predictions, folder.root, "val").to_json(), before)
    assert_equal(before, official_scores([pair]))


# Command


def test_the_command_prints_the_table_and_writes_the_figures(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.add(labels=[7, 21, 24, 26])
    output = tmp_path / "new/scores.json"
    assert main(folder.argv("--output", str(output))) == 0
    result = measure(folder.predictions, folder.root, "val")
    printed = capsys.readouterr()
    assert printed.out == f"{result}\n\nwrote {output}\n"
    assert printed.out.startswith(table(result.scores))
    assert printed.err == ""
    written = json.loads(output.read_text())
    assert_equal(written, json.loads(json.dumps(result.to_json())))
    official = result.scores.to_json()
    assert_equal({key: written[key] for key in official}, official)


def test_the_table_has_every_scored_class_and_category_in_percent(folder: Folder) -> None:
    folder.add(labels=[0, 7, 26], predict=single_class)
    rows = table(score(folder.predictions, folder.root, "val")).splitlines()
    assert len(rows) == (1 + 19 + 1) + 1 + (1 + 7 + 1)
    assert rows[0] == "class            IoU   iIoU"
    assert rows[1] == "road             0.0      -"
    assert rows[11] == "sky                -      -"
    assert rows[20].startswith("mean of 2 ")
    assert rows[-1].startswith("mean of 2 ")


def test_help_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    examples = capsys.readouterr().out.split("examples:\n")[1].splitlines()
    assert all(line.startswith("  python -m cityscapes.scoring --") for line in examples if line)


def test_torch_is_not_needed() -> None:
    program = "import sys, cityscapes.scoring; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2]).returncode == 0


# Faults


def fault_lines(folder: Folder, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """What the command says about input that it must refuse."""
    assert main(folder.argv(*more)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert all(line.startswith("error: ") for line in lines), printed.err
    return [line.removeprefix("error: ") for line in lines]


def test_every_missing_prediction_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [folder.add(number) for number in range(3)]
    pairs[0].prediction.unlink()
    pairs[2].prediction.unlink()
    assert fault_lines(folder, capsys) == [
        f"ulm_{number:06}_000019: no prediction in {folder.predictions}; predict every scene of the val split"
        for number in (0, 2)
    ]


def test_predictions_of_other_scenes_are_noticed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    train = folder.add(1, split="train")
    pair.prediction.unlink()
    assert fault_lines(folder, capsys)[1:] == [
        f"{train.prediction}: belongs to no scene of the val split; choose the split that was predicted, "
        "with file names that start with <city>_<6 digits>_<6 digits>"
    ]
    train.prediction.rename(folder.predictions / "0001.png")
    assert "0001.png: belongs to no scene" in fault_lines(folder, capsys)[1]


def test_several_predictions_for_a_scene_are_listed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add()
    write_png(folder.predictions / "color/ulm_000000_000019_color.png", np.zeros((4, 4, 3), np.uint8))
    assert fault_lines(folder, capsys) == [
        f"ulm_000000_000019: 2 predictions in {folder.predictions} (color/ulm_000000_000019_color.png, "
        "ulm_000000_000019_labelId_preds.png); keep one of each scene"
    ]


def test_another_size_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(size=(30, 40))
    write_png(pair.prediction, np.zeros((15, 20), np.uint8))
    assert fault_lines(folder, capsys) == [
        f"{pair.prediction}: got 20 x 15 pixels, expected 40 x 30 as in labelIds; "
        "predict at the size of the image: enlarge the logits before the argmax"
    ]
    write_png(pair.instance_ids, np.zeros((30, 20), np.uint16))
    assert f"{pair.instance_ids}: got 20 x 30 pixels" in fault_lines(folder, capsys)[1]


def test_a_colour_mask_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    write_png(pair.prediction, np.zeros((30, 41, 3), np.uint8))
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{pair.prediction}: expected one channel of ids, got a RGB image; ")
    assert "colour mask" in line


def test_train_ids_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(predict=lambda mask, rng: TRAIN_ID_OF[mask])
    void = np.count_nonzero(read_ids(pair.prediction) == 255)
    assert fault_lines(folder, capsys) == [
        f"{pair.prediction}: id 255 on {void} pixels; these look like train ids; "
        "convert them to label ids: python -m cityscapes.submission fix PATH NEW"
    ]


def test_ids_that_no_label_has_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(predict=lambda mask, rng: mask + np.uint8(10))
    found = read_ids(pair.prediction)
    ids = np.unique(found[found > 33])
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{pair.prediction}: ids {', '.join(map(str, ids[:8]))}")
    assert line.endswith(f" on {np.count_nonzero(found > 33)} pixels; write only label ids, 0 to 33")


def test_train_ids_without_void_get_a_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0, predict=lambda mask, rng: np.minimum(TRAIN_ID_OF[mask], 18))
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err == (
        f"warning: {folder.predictions}: no prediction has an id above 18, though the ground truth does; "
        "these look like train ids; convert them to label ids: python -m cityscapes.submission fix PATH NEW\n"
    )


def test_low_label_ids_in_some_predictions_get_no_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(0, labels=[7, 8, 11])
    folder.add(1)
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", ["prediction", "label_ids", "instance_ids"])
def test_unreadable_files_are_named(folder: Folder, capsys: pytest.CaptureFixture[str], file: str) -> None:
    truncated, emptied = getattr(folder.add(0), file), getattr(folder.add(1), file)
    truncated.write_bytes(truncated.read_bytes()[:60])
    emptied.write_bytes(b"")
    first, second = fault_lines(folder, capsys)
    assert first.startswith(f"{truncated}: damaged image")
    assert second.startswith(f"{emptied}: the file is empty")


def test_a_missing_instance_mask_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    pair.instance_ids.unlink()
    (line,) = fault_lines(folder, capsys)
    assert line == f"{pair.instance_ids}: no such file; unpack gtFine_trainvaltest.zip again, which has it"


def test_masks_that_are_not_official_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    write_png(pair.label_ids, np.full((30, 41), 255, np.uint8))
    write_png(pair.instance_ids, np.full((30, 41), 7001, np.uint16))
    again = "unpack gtFine_trainvaltest.zip again"
    assert fault_lines(folder, capsys) == [
        f"{pair.label_ids}: 255 is no label id (0 to 33); {again}",
        f"{pair.instance_ids}: 7001 is an instance of no label that has instances; {again}",
    ]


@pytest.mark.parametrize(
    ("split", "remedy"), [("train", "unpack gtFine_trainvaltest.zip"), ("test", "upload the predictions to the server")]
)
def test_a_split_without_masks_is_refused(
    folder: Folder, capsys: pytest.CaptureFixture[str], split: str, remedy: str
) -> None:
    folder.add()
    (line,) = fault_lines(folder, capsys, "--split", split)
    assert line.startswith(f"{folder.root}/gtFine/{split}/*/*_gtFine_labelIds.png: no such masks; ")
    assert remedy in line


def test_the_dummy_masks_of_the_test_split_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(split="test", labels=[1, 2, 3])
    (line,) = fault_lines(folder, capsys, "--split", "test")
    assert line.startswith(f"{folder.root}: no pixel of the test masks has a scored label; ")
    assert "upload the predictions to the server" in line


def test_a_folder_that_is_no_root_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{folder.root}: no such folder" in fault_lines(folder, capsys)[0]


def test_a_missing_predictions_folder_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add().prediction.unlink()
    assert f"{folder.predictions}: no PNG file in it" in fault_lines(folder, capsys)[0]
    folder.predictions.rmdir()
    assert f"{folder.predictions}: no such folder" in fault_lines(folder, capsys)[0]


def test_faults_of_all_kinds_are_told_together(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [folder.add(number) for number in range(4)]
    pairs[0].prediction.write_bytes(b"no image")
    write_png(pairs[1].prediction, np.full((30, 41), 99, np.uint8))
    pairs[2].prediction.unlink()
    pairs[3].instance_ids.unlink()
    lines = fault_lines(folder, capsys)
    for text in ("no prediction in", "instanceIds.png: no such file", "is no image", "id 99 on 1230 pixels"):
        assert sum(text in line for line in lines) == 1, text
    assert len(lines) == 4


@pytest.mark.parametrize(("number", "shown"), [(10, 10), (11, 5)])
def test_many_faults_of_a_kind_are_cut_short(
    folder: Folder, capsys: pytest.CaptureFixture[str], number: int, shown: int
) -> None:
    folder.add(99)
    for scene in range(number):
        folder.add(scene).prediction.unlink()
    lines = fault_lines(folder, capsys)
    assert [line.split(":")[0] for line in lines[:shown]] == [f"ulm_{scene:06}_000019" for scene in range(shown)]
    rest = [f"and {number - shown} more like these; predict every scene of the val split"]
    assert lines[shown:] == (rest if shown < number else [])


def test_an_output_that_cannot_be_written_is_refused_first(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = fault_lines(folder, capsys, "--output", str(tmp_path))
    assert line.startswith(f"{tmp_path}: is a folder; ")
    (tmp_path / "file").touch()
    (line,) = fault_lines(folder, capsys, "--output", str(tmp_path / "file/scores.json"))
    assert line.startswith(f"{tmp_path / 'file'}: cannot write here")


def test_a_refusal_leaves_an_older_result_alone(folder: Folder, tmp_path: Path) -> None:
    folder.add().prediction.unlink()
    (tmp_path / "scores.json").write_text("older")
    assert main(folder.argv("--output", str(tmp_path / "scores.json"))) == 2
    assert (tmp_path / "scores.json").read_text() == "older"


def test_faults_reach_callers_as_input_errors(folder: Folder) -> None:
    folder.add().prediction.unlink()
    folder.add(1)
    with pytest.raises(InputError, match="no prediction"):
        score(folder.predictions, folder.root, "val")
    pair = folder.add(2, labels=[0])
    assert math.isnan(scores_of(count(pair, read(pair))).to_json()["averageScoreClasses"])
