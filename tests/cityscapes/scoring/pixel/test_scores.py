import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityscapes.layout import scenes_with_label_ids
from cityscapes.scoring import main, measure, score, scores_of, table
from cityscapes.scoring.pixel.counts import Pair, count, read
from engine.files.atomic import strict
from engine.files.images import read_ids, write_png
from tests.cityscapes.drawn_predictions import (
    Folder,
    Mask,
    Predict,
    all_void,
    assert_equal,
    noisy,
    official_scores,
    perfect,
    shifted,
    single_class,
)

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
def test_any_tiny_scene_has_the_official_scores(
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
def test_real_masks_have_the_official_scores(folder: Folder, predict: Predict, real_data: Path) -> None:
    root = real_data / "cityscapes"
    rng = np.random.default_rng(0)
    pairs, scenes = [], []
    labelled = scenes_with_label_ids(root, "val")
    for scene in labelled if predict is blotched else labelled[::3]:
        label_ids = read_ids(scene.official_mask(root, "labelIds")).astype(np.uint8)
        if predict is only_what_is_absent and (label_ids == 31).any():
            continue
        scenes.append(scene)
        path = folder.predictions / scene.city / f"{scene.stem}.png"
        write_png(path, predict(label_ids, rng))
        pairs.append(Pair(scene.stem, path, *(scene.official_mask(root, kind) for kind in ("labelIds", "instanceIds"))))
    ours = score(folder.predictions, root, "val", workers=2, scenes=scenes)
    assert_equal(ours.to_json(), official_scores(pairs))


def test_the_number_of_workers_changes_no_byte(folder: Folder, tmp_path: Path) -> None:
    for number in range(12):
        folder.add(number, noisy)
    for workers in ("1", "4"):
        assert main(folder.argv("--workers", workers, "--output", str(tmp_path / f"{workers}.json"))) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "4.json").read_bytes()


def test_all_scores_of_a_perfect_prediction_are_one(folder: Folder) -> None:
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
    lines = f"wrote {output}\nnext: python -m cityscapes.scoring --compare {output} OTHER.json\n"
    assert printed.out == f"{result}\n\n{lines}"
    assert printed.out.startswith(table(result.scores))
    assert printed.err == ""
    written = json.loads(output.read_text())
    assert written == json.loads(json.dumps(strict(result.to_json())))
    official = result.scores.to_json()
    assert {key: written[key] for key in official} == strict(official)


def test_the_table_has_every_scored_class_and_category_in_percent(folder: Folder) -> None:
    folder.add(labels=[0, 7, 26], predict=single_class)
    rows = table(score(folder.predictions, folder.root, "val")).splitlines()
    assert len(rows) == (1 + 19 + 1) + 1 + (1 + 7 + 1)
    assert rows[0] == "class           IoU  iIoU"
    assert rows[1] == "road            0.0     -"
    assert rows[11] == "sky               -     -"
    assert rows[20].startswith("mean of 2 ")
    assert rows[-1].startswith("mean of 2 ")


def test_help_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    examples = capsys.readouterr().out.split("examples:\n")[1].splitlines()
    assert all(line.startswith("  python -m cityscapes.scoring --") for line in examples if line)


def test_torch_is_not_needed() -> None:
    program = "import sys, cityscapes.scoring; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[4]).returncode == 0
