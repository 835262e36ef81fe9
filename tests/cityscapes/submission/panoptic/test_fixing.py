"""Fixing of the panoptic task: each fixed folder passes the check and the official scorer."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes.formats import panoptic
from cityscapes.labels import BY_ID
from cityscapes.submission import FixReport, check, data_folder, fix, main
from engine.errors import InputError
from tests.cityscapes.drawn_panoptic_submission import FOLDER, JSON_NAME, SEGMENTS, SIZE, STEMS, change, ids
from tests.cityscapes.submission.panoptic.test_checking import score_officially

FIRST = f"{FOLDER}/{STEMS[0]}_panoptic.png"


def to_train_ids(annotations: list[dict[str, Any]]) -> None:
    for image in annotations:
        for segment in image["segments_info"]:
            segment["category_id"] = BY_ID[segment["category_id"]].train_id


def fixed(folder: Path, root: Path, **options: Any) -> FixReport:
    """Fix a folder or zip, and assert that the result passes the check and the official scorer."""
    new = folder.with_name("fixed")
    report = fix(folder, new, root, **options)
    assert check(new, root).faults == ()
    scores = score_officially(new)
    assert {label: scores[label].tp for label in SEGMENTS.values()} == dict.fromkeys(SEGMENTS.values(), 4)
    return report


def test_good_predictions_stay_as_they_are(folder: Path, root: Path) -> None:
    assert fixed(folder, root, workers=2).changes == {}


@pytest.mark.parametrize("kind", ["auto", "train"])
def test_train_ids_become_label_ids(kind: str, folder: Path, root: Path) -> None:
    change(to_train_ids)(folder)
    assert fixed(folder, root, ids=kind).changes == {"train ids to label ids": 1}


def test_image_ids_with_folders_and_suffixes_become_stems(folder: Path, root: Path) -> None:
    change(lambda images: [image.update(image_id=f"test/{image['image_id']}_leftImg8bit") for image in images])(folder)
    assert fixed(folder, root).changes == {"image_id corrected": 4}


def test_segments_without_pixels_are_left_out(folder: Path, root: Path) -> None:
    change(lambda images: images[0]["segments_info"].append({"id": 5, "category_id": 8}))(folder)
    assert fixed(folder, root).changes == {"segments without pixels left out": 1}


@pytest.mark.parametrize("place", ["pngs", "results/cityscapes_panoptic_test", "predictions", "."])
def test_names_and_folders_become_the_official_ones(place: str, folder: Path, root: Path) -> None:
    (folder / place).mkdir(parents=True, exist_ok=True)
    for path in (folder / FOLDER).glob("*.png"):
        path.rename(folder / place / path.name)
    (folder / FOLDER).rmdir()
    (folder / JSON_NAME).rename(folder / "predictions.json")
    assert not check(folder, root, task="panoptic").ok
    assert fixed(folder, root, task="panoptic").changes == {"renamed or moved": 5}


def test_a_zip_is_fixed(folder: Path, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for path in (path for path in folder.rglob("*") if path.is_file()):
            archive.writestr(f"results/{path.relative_to(folder).as_posix()}", path.read_bytes())
    assert fixed(tmp_path / "made.zip", root).changes == {"renamed or moved": 5}


def test_predictions_of_val_get_its_names_and_are_scored_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data_folder, "IMAGE_SIZE", SIZE)
    text = (folder / JSON_NAME).read_text().replace('"image_id": "berlin', '"image_id": "lindau')
    (folder / JSON_NAME).write_text(text.replace('"image_id": "bonn', '"image_id": "munster'))
    new = folder.with_name("fixed")
    assert main(["fix", str(folder), str(new), "--workers", "1"]) == 0
    line = f"next: python -m cityscapes.scoring --predictions {new} --split val --task panoptic --root data"
    assert capsys.readouterr().out.splitlines()[-1] == line
    names = {path.name for path in new.rglob("*")}
    assert {"cityscapes_panoptic_val.json", "cityscapes_panoptic_val"} <= names
    assert "lindau_000000_000019_panoptic.png" in names


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda images: images[0].update(image_id="car"), "image id: got 1 image_id without the name of an image"),
        (lambda images: images.append(images[0]), "duplicate image: got 1 annotation"),
        (lambda images: images[0]["segments_info"].pop(), "not in JSON: got 1 segment in PNGs"),
        (lambda images: images[0]["segments_info"][0].update(category_id=47), "category: got 1 segment"),
        (lambda images: images[0]["segments_info"][0].update(category_id=0), "category: got 1 segment"),
        (lambda images: images[0]["segments_info"][0].update(id=0), "segment 0: got 1 segment"),
        (lambda images: images[0].update(file_name="none.png"), "missing PNG: got 1 file_name"),
        (lambda images: images[0].pop("file_name"), "annotation: got 1 key"),
    ],
)
def test_uncertain_annotations_are_refused(edit: Any, expected: str, folder: Path, root: Path) -> None:
    change(edit)(folder)
    with pytest.raises(InputError) as error:
        fix(folder, folder.with_name("fixed"), root)
    assert str(error.value).startswith(f"{folder}: cannot be fixed: {expected}")
    assert str(error.value).endswith(f"listed by: python -m cityscapes.submission check {folder}")
    assert not folder.with_name("fixed").exists()


def test_a_wrong_size_is_refused_and_nothing_is_left(folder: Path, root: Path, tmp_path: Path) -> None:
    (folder / FIRST).write_bytes(panoptic.encode(np.ascontiguousarray(ids()[::2, ::2])))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="cannot be fixed: size: got 1 PNG"):
        fix(folder, folder.with_name("fixed"), root)
    assert sorted(tmp_path.rglob("*")) == before


def test_two_json_files_are_refused(folder: Path, root: Path) -> None:
    (folder / "cityscapes_panoptic_val.json").write_bytes((folder / JSON_NAME).read_bytes())
    with pytest.raises(InputError, match="JSON files: got 2 JSON files"):
        fix(folder, folder.with_name("fixed"), root)


def test_broken_json_is_refused(folder: Path, root: Path) -> None:
    (folder / JSON_NAME).write_text(json.dumps({"annotations": []})[:-3])
    with pytest.raises(InputError, match="json: got 1 JSON file that cannot be read"):
        fix(folder, folder.with_name("fixed"), root)
