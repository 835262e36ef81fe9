import numpy as np
import pytest
from PIL import Image

from cityscapes.labels import TRAIN_ID_OF
from cityscapes.scoring import main, score
from engine.files.images import read_ids, write_png
from tests.cityscapes.drawn_predictions import Folder, assert_equal, fault_lines


def test_another_size_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(size=(30, 40))
    write_png(pair.prediction, np.zeros((15, 20), np.uint8))
    assert fault_lines(folder, capsys) == [
        f"{pair.prediction}: got 20 x 15 pixels, expected 40 x 30 like labelIds; "
        "predict at the size of the image: enlarge the logits before the argmax"
    ]
    write_png(pair.instance_ids, np.zeros((30, 20), np.uint16))
    assert f"{pair.instance_ids}: got 20 x 30 pixels" in fault_lines(folder, capsys)[1]


def test_a_colour_mask_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    write_png(pair.prediction, np.zeros((30, 41, 3), np.uint8))
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{pair.prediction}: expected one channel of ids, got an image of mode RGB; ")
    assert "colour mask" in line


def test_train_ids_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(predict=lambda mask, rng: TRAIN_ID_OF[mask])
    void = np.count_nonzero(read_ids(pair.prediction) == 255)
    assert fault_lines(folder, capsys) == [
        f"{pair.prediction}: id 255 on {void} pixels; these look like train ids; "
        "convert them to label ids: python -m cityscapes.submission fix PATH NEW"
    ]


def test_ids_without_a_label_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add(predict=lambda mask, rng: mask + np.uint8(10))
    found = read_ids(pair.prediction)
    ids = np.unique(found[found > 33])
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{pair.prediction}: ids {', '.join(map(str, ids[:8]))}")
    assert line.endswith(f" on {np.count_nonzero(found > 33)} pixels; write only label ids, 0 to 33")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (0, "these look like train ids; convert them to label ids: python -m cityscapes.submission fix PATH NEW"),
        (1, "subtract 1 from every id except 0, replace 0 by 255, then convert train ids to label ids: "),
    ],
)
def test_ids_that_agree_only_as_train_ids_get_a_warning(
    folder: Folder, capsys: pytest.CaptureFixture[str], more: int, expected: str
) -> None:
    folder.add(0, predict=lambda mask, rng: np.minimum(TRAIN_ID_OF[mask], 18) + np.uint8(more))
    assert main(folder.argv()) == 0
    (line,) = capsys.readouterr().err.splitlines()
    kind = "train ids plus 1" if more else "train ids"
    assert line.startswith(f"warning: {folder.predictions}: read as {kind} 100% of the pixels are right, as label ids ")
    assert expected in line


def test_label_ids_of_low_classes_alone_get_no_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Predictions of a network after a short training, for ground truth with all classes."""
    folder.add(0, predict=lambda mask, rng: np.where(mask % 2, 7, 11).astype(np.uint8))
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err == ""


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


def test_masks_that_are_not_official_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    write_png(pair.label_ids, np.full((30, 41), 255, np.uint8))
    write_png(pair.instance_ids, np.full((30, 41), 7001, np.uint16))
    again = "unpack gtFine_trainvaltest.zip again"
    assert fault_lines(folder, capsys) == [
        f"{pair.label_ids}: 255 is not a label id (0 to 33); {again}",
        f"{pair.instance_ids}: got instance id 7001, whose label has no instances; {again}",
    ]


def test_a_scene_without_instances_may_have_instance_ids_of_8_bits(folder: Folder) -> None:
    pair = folder.add(labels=[7, 8, 11])
    before = score(folder.predictions, folder.root, "val").to_json()
    write_png(pair.instance_ids, read_ids(pair.instance_ids).astype(np.uint8))
    assert_equal(score(folder.predictions, folder.root, "val").to_json(), before)


def test_instance_ids_that_contradict_label_ids_get_a_warning(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.add(0)
    pair = folder.add(1)
    instance_ids = read_ids(pair.instance_ids).copy()
    instance_ids[0, :5], instance_ids[1, :5] = 26_003, np.where(read_ids(pair.label_ids)[1, :5] == 7, 8, 7)
    wrong = 5 + np.count_nonzero(read_ids(pair.label_ids)[0, :5] != 26)
    write_png(pair.instance_ids, instance_ids)
    assert main(folder.argv()) == 0
    assert capsys.readouterr().err == (
        "warning: 1 instanceIds mask with labels that differ from labelIds "
        f"(first {pair.instance_ids}: {wrong} pixels): "
        "IoU uses labelIds, iIoU uses instanceIds; unpack gtFine_trainvaltest.zip again\n"
    )


def test_ids_of_32_bits_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    pair = folder.add()
    Image.fromarray(np.full((30, 41), 65543, np.int32)).save(pair.prediction, format="TIFF")
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{pair.prediction}: ")


@pytest.mark.parametrize("file", ["prediction", "label_ids", "instance_ids"])
def test_a_flipped_bit_is_refused(folder: Folder, capsys: pytest.CaptureFixture[str], file: str) -> None:
    path = getattr(folder.add(), file)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 4
    path.write_bytes(content)
    (line,) = fault_lines(folder, capsys)
    assert line.startswith(f"{path}: damaged image (wrong checksum in chunk IDAT)")
