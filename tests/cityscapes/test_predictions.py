from pathlib import Path

import numpy as np
import pytest

from cityscapes.predictions import find, invalid_ids, train_id_warning
from engine.errors import InputError

STEM = "aachen_000000_000019"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def pixels(**counts: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    table = np.zeros(256, np.int64)
    for name, number in counts.items():
        table[int(name.removeprefix("id"))] = number
    return table


def test_files_are_found_at_any_depth_and_sorted_by_scene(tmp_path: Path) -> None:
    touch(tmp_path, f"b/c/{STEM}_color.png", f"{STEM}.png", "ulm_000001_000019_labelId_preds.png", "legend.png")
    found = find(tmp_path)
    assert found.by_stem == {
        STEM: [tmp_path / f"{STEM}.png", tmp_path / f"b/c/{STEM}_color.png"],
        "ulm_000001_000019": [tmp_path / "ulm_000001_000019_labelId_preds.png"],
    }
    assert found.unknown == [tmp_path / "legend.png"]


def test_hidden_files_and_folders_and_other_kinds_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, f"{STEM}.png", f"__MACOSX/._{STEM}.png", f".{STEM}.png", f"{STEM}.txt", f"{STEM}_logits.npy")
    (tmp_path / "ulm_000001_000019.png").mkdir()
    assert find(tmp_path) == ({STEM: [tmp_path / f"{STEM}.png"]}, [])


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: no such folder; give the folder"):
        find(tmp_path / "missing")
    with pytest.raises(InputError, match="no PNG file in it; give the folder"):
        find(tmp_path)
    touch(tmp_path, "results.zip")
    with pytest.raises(InputError, match=r"results\.zip: is a file; give the folder"):
        find(tmp_path / "results.zip")


def test_label_ids_are_not_a_fault() -> None:
    assert invalid_ids(Path("a.png"), pixels(id0=1, id18=5, id33=2)) == []


def test_train_ids_are_recognised() -> None:
    assert invalid_ids(Path("a.png"), pixels(id0=9, id18=5, id255=12)) == [
        "a.png: id 255 on 12 pixels; these look like train ids; convert them to label ids: "
        "python -m cityscapes.submission fix PATH NEW"
    ]
    assert "train ids" in invalid_ids(Path("a.png"), pixels(id255=12))[0]


def test_void_among_label_ids_is_recognised() -> None:
    (fault,) = invalid_ids(Path("a.png"), pixels(id7=9, id26=5, id255=12))
    assert fault == "a.png: id 255 on 12 pixels, among label ids; write 0 (unlabeled) where no class is predicted"


def test_void_among_low_label_ids_does_not_make_them_train_ids() -> None:
    """Road and building alone, the predictions of a network after a short training."""
    (fault,) = invalid_ids(Path("a.png"), pixels(id7=9, id11=5, id255=2))
    assert fault == "a.png: id 255 on 2 pixels, among label ids; write 0 (unlabeled) where no class is predicted"


def test_other_invalid_ids_are_listed_up_to_eight() -> None:
    (fault,) = invalid_ids(Path("a.png"), pixels(id7=9, id34=5, id250=1, id255=12))
    assert fault == "a.png: ids 34, 250, 255 on 18 pixels; write only label ids, 0 to 33"
    (many,) = invalid_ids(Path("a.png"), np.ones(256, np.int64))
    assert many.startswith("a.png: ids 34, 35, 36, 37, 38, 39, 40, 41, ... on 222 pixels; ")


def test_the_warning_needs_better_agreement_as_train_ids() -> None:
    road, sidewalk, building = 7, 8, 11
    confusion = np.zeros((34, 34), np.int64)
    confusion[[road, sidewalk, building], [0, 1, 2]] = 5, 2, 3
    doubt = train_id_warning(confusion) or ""
    assert doubt.startswith(
        "read as train ids 100% of the pixels are right, as label ids 0%; these look like train ids"
    )
    assert "subtract 1 from every id except 0" in (train_id_warning(np.roll(confusion, 1, axis=1)) or "")
    short = np.zeros((34, 34), np.int64)
    short[[road, sidewalk, building, 21, 26], [7, 7, 11, 11, 7]] = 5, 2, 3, 3, 1
    assert train_id_warning(short) is None
    assert train_id_warning(np.zeros((34, 34), np.int64)) is None
