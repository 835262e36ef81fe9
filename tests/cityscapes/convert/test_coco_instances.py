"""COCO results of instances, as detectron2, mmdetection, Mask2Former and Ultralytics write them."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cityscapes.convert import coco_instances, faults, main, reference
from cityscapes.formats.instance import parse, read_mask
from cityscapes.layout import Scene
from engine.errors import InputError
from engine.files.images import write_png
from tests.cityscapes.convert import coco_api

Ending = Callable[..., str]

STEMS = ["frankfurt_000000_000294", "lindau_000001_000019"]
THINGS = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
SIZE = (12, 20)
"""Height and width of the images."""


def mask_of(number: int) -> coco_api.Mask:
    rng = np.random.default_rng(number)
    mask = np.zeros(SIZE, np.bool_)
    top, left = rng.integers(0, 6), rng.integers(0, 10)
    mask[top : top + 5, left : left + 8] = rng.random((5, 8)) < 0.8
    return mask


class Instance:
    """One predicted instance, before a program writes it."""

    def __init__(self, stem: str, label_id: int, score: float, number: int) -> None:
        self.stem, self.label_id, self.score, self.mask = stem, label_id, score, mask_of(number)


INSTANCES = [
    Instance(stem, label_id, 0.25 + number / 32, 10 * place + number)
    for place, stem in enumerate(STEMS)
    for number, label_id in enumerate(THINGS)
]


def detectron2() -> list[dict[str, Any]]:
    """`coco_instances_results.json` of detectron2/evaluation/coco_evaluation.py (commit 021ec57, instances_to_json).

    data/datasets/cityscapes.py (34aef69) gives the base name of the file as image_id, and 0 to 7 as classes.
    """
    return [
        {
            "image_id": f"{one.stem}_leftImg8bit.png",
            "category_id": list(THINGS).index(one.label_id),
            "bbox": [0.0, 0.0, 5.0, 8.0],
            "score": one.score,
            "segmentation": coco_api.compressed(one.mask),
        }
        for one in INSTANCES
    ]


def mask2former() -> list[dict[str, Any]]:
    """The same evaluator with data/datasets/cityscapes_panoptic.py (1d40e2f), which gives stems and label ids."""
    return [
        {**result, "image_id": one.stem, "category_id": one.label_id}
        for one, result in zip(INSTANCES, detectron2(), strict=True)
    ]


def mmdetection() -> list[dict[str, Any]]:
    """`<prefix>.segm.json` of mmdet/evaluation/metrics/coco_metric.py (013e541, results2json): numbers of images."""
    return [
        {
            "image_id": STEMS.index(one.stem),
            "bbox": [0.0, 0.0, 5.0, 8.0],
            "score": one.score,
            "category_id": one.label_id,
            "segmentation": coco_api.compressed(one.mask),
        }
        for one in INSTANCES
    ]


def mmdetection_annotations() -> dict[str, Any]:
    """`instancesonly_filtered_gtFine_val.json` of tools/dataset_converters/cityscapes.py (mmdetection, 39a1b37)."""
    return {
        "images": [
            {
                "file_name": f"{stem.partition('_')[0]}/{stem}_leftImg8bit.png",
                "height": SIZE[0],
                "width": SIZE[1],
                "segm_file": f"{stem.partition('_')[0]}/{stem}_gtFine_labelIds.png",
                "id": number,
            }
            for number, stem in enumerate(STEMS)
        ],
        "categories": [{"id": label_id, "name": name} for label_id, name in THINGS.items()],
    }


def ultralytics() -> list[dict[str, Any]]:
    """`predictions.json` of ultralytics/models/yolo/segment/val.py (pred_to_json) for a data set of the 8 classes.

    The ids begin with 0 up to commit 001c990; later versions have `range(1, len(model.names) + 1)`, and `file_name`.
    """
    return [
        {
            "image_id": f"{one.stem}_leftImg8bit",
            "file_name": f"{one.stem}_leftImg8bit.png",
            "category_id": list(THINGS).index(one.label_id) + 1,
            "bbox": [0.0, 0.0, 5.0, 8.0],
            "score": round(one.score, 5),
            "segmentation": coco_api.compressed(one.mask),
        }
        for one in INSTANCES
    ]


def uncompressed() -> list[dict[str, Any]]:
    return [
        {**result, "segmentation": coco_api.uncompressed(one.mask)}
        for one, result in zip(INSTANCES, mask2former(), strict=True)
    ]


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def assert_converted(new: Path) -> None:
    """Assert that a folder has exactly the instances, as the official scorer reads them."""
    assert {path.name for path in new.iterdir()} == {"masks", *(f"{stem}.txt" for stem in STEMS)}
    for stem in STEMS:
        lines, faults = parse((new / f"{stem}.txt").read_bytes())
        expected = [one for one in INSTANCES if one.stem == stem]
        assert not faults
        assert [(line.label_id, line.confidence) for line in lines] == [(one.label_id, one.score) for one in expected]
        for line, one in zip(lines, expected, strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(new / line.mask)), np.where(one.mask, 255, 0))
            assert read_mask((new / line.mask).read_bytes()).size == (SIZE[1], SIZE[0])
    assert len(list((new / "masks").iterdir())) == len(INSTANCES)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("program", "read_as"),
    [
        (detectron2, "things from 0, the only numbering that fits 0, 1, 2, 3, 4, 5, 6, 7"),
        (mask2former, "label ids, the only numbering"),
        (ultralytics, "things from 1, the only numbering"),
        (uncompressed, "label ids, the only numbering"),
    ],
)
def test_results_of_programs(
    program: Callable[[], list[dict[str, Any]]],
    read_as: str,
    workers: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, new = write(tmp_path / "results.json", program()), tmp_path / "new"
    assert main(["coco_instances", str(path), str(new), "--workers", str(workers)]) == 0
    assert_converted(new)
    first, *_, wrote, following = capsys.readouterr().out.splitlines()
    assert first.startswith(f"category ids: {read_as}")
    assert wrote == f"wrote 16 objects of 2 images to {new}"
    assert following.endswith(
        f"python -m cityscapes.scoring --task instance --predictions {new} --root data --split val"
    )


def test_results_may_be_the_annotations_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CVAT and datumaro export objects with a `score` like this."""
    path = write(tmp_path / "r.json", {**mmdetection_annotations(), "annotations": mmdetection()})
    assert main(["coco_instances", str(path), str(tmp_path / "new")]) == 0
    assert_converted(tmp_path / "new")
    assert "category ids: by the names of the categories" in capsys.readouterr().out


def test_numbers_of_images_need_the_annotations(tmp_path: Path, error_of: Ending) -> None:
    path, names = write(tmp_path / "r.segm.json", mmdetection()), write(tmp_path / "a.json", mmdetection_annotations())
    message = error_of(main, "coco_instances", path, tmp_path / "new")
    assert message == (
        f"error: {path}: image_id of 2 images is a number without a name (0, 1), expected "
        "<city>_<6 digits>_<6 digits>; give the annotation file that has the names: --annotations\n"
    )
    assert not (tmp_path / "new").exists()
    assert main(["coco_instances", str(path), str(tmp_path / "new"), "--annotations", str(names)]) == 0
    assert_converted(tmp_path / "new")


def test_the_names_of_categories_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shuffled = dict(zip([3, 1, 8, 2, 7, 4, 6, 5], THINGS.items(), strict=True))
    numbers = {label_id: number for number, (label_id, _) in shuffled.items()}
    results = [{**result, "category_id": numbers[result["category_id"]]} for result in mask2former()]
    annotations = mmdetection_annotations()
    annotations["categories"] = [{"id": number, "name": name} for number, (_, name) in shuffled.items()]
    path, names = write(tmp_path / "r.json", results), write(tmp_path / "a.json", annotations)
    assert main(["coco_instances", str(path), str(tmp_path / "new"), "--annotations", str(names)]) == 0
    assert_converted(tmp_path / "new")
    assert "category ids: by the names of the categories" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ids", "fitting"),
    [
        ((1, 2, 7), "things_from_0|things_from_1"),
        ((12, 18), "train_ids|train_ids_from_1"),
    ],
)
def test_an_ambiguous_numbering_is_refused(
    ids: tuple[int, ...], fitting: str, tmp_path: Path, error_of: Ending
) -> None:
    results = [{**mask2former()[0], "category_id": number} for number in ids]
    path = write(tmp_path / "r.json", results)
    message = error_of(main, "coco_instances", path, tmp_path / "new")
    assert "fit more than one numbering: " in message
    assert message.rstrip().endswith(f"or state the numbering: --categories {fitting}")
    chosen = fitting.split("|")[1]
    assert main(["coco_instances", str(path), str(tmp_path / "new"), "--categories", chosen]) == 0
    label_ids = {"things_from_1": [24, 25, 32], "train_ids_from_1": [24, 32]}[chosen]
    lines, _ = parse((tmp_path / "new" / f"{STEMS[0]}.txt").read_bytes())
    assert [line.label_id for line in lines] == label_ids


def test_ids_that_fit_no_numbering_are_refused(tmp_path: Path, error_of: Ending) -> None:
    path = write(tmp_path / "r.json", [{**mask2former()[0], "category_id": number} for number in (3, 44)])
    assert "category ids 3, 44 fit no numbering of the classes" in error_of(
        main, "coco_instances", path, tmp_path / "n"
    )


def test_an_id_without_a_name_is_refused(tmp_path: Path, error_of: Ending) -> None:
    path, names = write(tmp_path / "r.json", detectron2()), write(tmp_path / "a.json", mmdetection_annotations())
    message = error_of(main, "coco_instances", path, tmp_path / "new", "--annotations", names)
    assert "have no name among the categories 24 'person'" in message
    assert message.rstrip().endswith("--categories things_from_0")


def test_images_without_a_result_get_an_empty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [result for result in mask2former() if result["image_id"] == STEMS[0]]
    other, third = "munster_000000_000019", "munster_000001_000019"
    annotations = mmdetection_annotations()
    for stem in (other, third):
        write_png(Scene("val", "munster", stem).image(tmp_path / "data"), np.zeros((4, 4, 3), np.uint8))
    path, names = write(tmp_path / "r.json", results), write(tmp_path / "a.json", annotations)
    words = ["--annotations", str(names), "--root", str(tmp_path / "data"), "--split", "val"]
    assert main(["coco_instances", str(path), str(tmp_path / "new"), *words]) == 0
    for stem in (STEMS[1], other, third):
        assert (tmp_path / "new" / f"{stem}.txt").read_bytes() == b""
    assert "note: wrote an empty text file for 3 images without a result" in capsys.readouterr().out


def test_test_images_are_followed_by_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "r.json", [{**mask2former()[0], "image_id": "berlin_000000_000019"}])
    assert main(["coco_instances", str(path), str(tmp_path / "new")]) == 0
    assert f"next: python -m cityscapes.submission check {tmp_path / 'new'} --task instance" in capsys.readouterr().out


def test_empty_masks_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = mask2former()
    results[3]["segmentation"] = coco_api.compressed(np.zeros(SIZE, np.bool_))
    path = write(tmp_path / "r.json", results)
    assert main(["coco_instances", str(path), str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert "note: left out 1 mask without a pixel" in out
    assert "wrote 15 objects of 2 images" in out


def test_polygons_are_drawn_with_the_size_of_the_annotations(tmp_path: Path) -> None:
    polygons: list[list[float]] = [[1.5, 1, 9, 2, 8, 7.5], [10, 3, 15, 3, 15, 9, 10, 9]]
    path = write(tmp_path / "r.json", [{**mask2former()[0], "segmentation": polygons}])
    names = write(tmp_path / "a.json", mmdetection_annotations())
    coco_instances.convert(path, tmp_path / "new", annotations=names)
    mask = np.asarray(Image.open(tmp_path / "new" / "masks" / f"{STEMS[0]}_0000.png"))
    drawn = [coco_api.drawn(polygon, *SIZE) for polygon in polygons]
    np.testing.assert_array_equal(mask > 0, drawn[0] | drawn[1])


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"image_id": None},
        "image_id is None, expected <city>_<6 digits>_<6 digits> in it; name the images as",
    ),
    ({"image_id": "../../etc/x_000000_000000"}, ""),
    ({"image_id": "x y_000000_000000"}, "image_id is 'x y_000000_000000', expected <city>"),
    ({"image_id": "a\u0000b_000000_000000"}, "image_id is 'a\\x00b_000000_000000', expected <city>"),
    ({"image_id": [1]}, "image_id is [1], expected <city>"),
    ({"score": None}, "score is None, expected a finite number; write the confidences again"),
    ({"score": float("nan")}, "score is nan, expected a finite number"),
    ({"score": True}, "score is True, expected a finite number"),
    ({"score": "0.5"}, "score is '0.5', expected a finite number"),
    ({"category_id": 29}, "got category 29, expected one of: 24 person, 25 rider, 26 car"),
    ({"category_id": 7}, "got category 7, expected one of: 24 person, 25 rider, 26 car"),
    ({"category_id": 26.0}, "got category 26.0, expected one of: 24 person"),
    ({"category_id": None}, "got category None, expected one of"),
    ({"segmentation": {"size": [12, 20], "counts": "11"}}, "RLE counts of 2 pixels, expected 240"),
    (
        {"segmentation": {"size": [10, 20], "counts": [200]}},
        "an RLE of 20 x 10, expected 20 x 12, the size of",
    ),
    ({"segmentation": {"size": [40000, 40000], "counts": [1600000000]}}, "expected at most 67,108,864 pixels"),
    ({"segmentation": None}, "segmentation is None, expected RLE"),
]


@pytest.mark.parametrize(("change", "expected"), FAULTS, ids=[str(change)[:50] for change, _ in FAULTS])
def test_a_faulty_result_is_listed_and_can_be_skipped(
    change: dict[str, Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    results = mask2former()
    results[2] |= change
    path, new = write(tmp_path / "r.json", results), tmp_path / "new"
    words = ["coco_instances", str(path), str(new), "--categories", "label_ids", "--workers", "1"]
    if not expected:  # only the last part of a name counts
        assert main(words) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "r.json"]
        return
    (line,) = error_of(main, *words).splitlines()
    assert line.startswith(f"error: {path}: result 2")
    assert expected in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json"]
    assert main([*words, "--skip_faulty"]) == 0
    printed = capsys.readouterr()
    assert printed.err == line.replace("error: ", "warning: skipped: ") + "\n"
    assert f"wrote 15 objects of 2 images to {new}" in printed.out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "not UTF-8"),
        (b"[]", "no result in it; predict first"),
        (b'{"images": []}', "got {'images': []}, expected a list of results; give the file of predictions"),
        (b'{"images": [], "annotations": [{}]}', "got annotations without a score, expected results"),
        (b"3", "got 3, expected a list of results"),
        (
            b'[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "category_id": 1}]',
            "these are boxes; give the",
        ),
    ],
)
def test_other_files_are_refused(content: bytes, expected: str, tmp_path: Path, error_of: Ending) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    (line,) = error_of(main, "coco_instances", path, tmp_path / "new").splitlines()
    assert line.startswith(f"error: {path}: ")
    assert expected in line


def test_many_faults_are_counted(tmp_path: Path, error_of: Ending) -> None:
    path = write(tmp_path / "r.json", 9000 * [{**mask2former()[0], "score": None}])
    lines = error_of(main, "coco_instances", path, tmp_path / "new").splitlines()
    assert len(lines) == 51
    assert lines[-1] == "error: and 8950 more like these; write the confidences again"


def test_too_many_results_of_an_image_are_refused(tmp_path: Path, error_of: Ending) -> None:
    path = write(tmp_path / "r.json", 10_001 * [{**mask2former()[0], "segmentation": None}])
    assert "10,001 results for frankfurt_000000_000294" in error_of(main, "coco_instances", path, tmp_path / "new")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"images": None}, "images is None; give a COCO file that has it"),
        ({"images": [{"id": 1}]}, "images[0]: got {'id': 1}, expected id and file_name"),
        ({"images": [{"id": 1, "file_name": "a.png"}]}, "images[0]: file_name is 'a.png', expected <city>"),
        ({"images": 2 * [{"id": 1, "file_name": f"{STEMS[0]}.png"}]}, "images[1]: id 1 and frankfurt_000000_000294"),
        ({"categories": [{"id": 1}]}, "categories[0]: got {'id': 1}, expected a new id and a name"),
    ],
)
def test_faulty_annotations_are_refused(
    change: dict[str, Any], expected: str, tmp_path: Path, error_of: Ending
) -> None:
    path = write(tmp_path / "r.json", mmdetection())
    names = write(tmp_path / "a.json", {**mmdetection_annotations(), **change})
    message = error_of(main, "coco_instances", path, tmp_path / "new", "--annotations", names)
    assert message.startswith(f"error: {names}: ")
    assert expected in message


def test_files_are_never_changed(tmp_path: Path, error_of: Ending) -> None:
    path, new = write(tmp_path / "r.json", mask2former()), tmp_path / "new"
    (new / "old").mkdir(parents=True)
    assert f"{new}: already exists; choose a new folder" in error_of(main, "coco_instances", path, new)
    (new / "old").rmdir()
    coco_instances.convert(path, new)  # an empty folder is as good as none
    assert_converted(new)


def test_one_and_two_workers_write_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", mask2former())
    for workers in (1, 2):
        coco_instances.convert(path, tmp_path / str(workers), workers=workers)
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert first == second


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("_MAX_BYTES", "more than 100 bytes"),
        ("_MAX_CONTAINERS", "more than 100 lists and objects"),
        ("_MAX_VALUES", "more than 100 values"),
    ],
)
def test_a_huge_file_is_refused(limit: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, limit, 100)
    path = write(tmp_path / "r.json", 10 * mask2former())
    with pytest.raises(InputError, match=f"r.json: {expected}; convert the images in parts"):
        coco_instances.convert(path, tmp_path / "new")


def test_a_conversion_ends_after_too_many_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_MAX_FAULTS", 200)
    path = write(tmp_path / "r.json", [*mask2former(), *1000 * [3]])
    with pytest.raises(InputError) as caught:
        coco_instances.convert(path, tmp_path / "new", skip_faulty=True)
    assert len(caught.value.messages) == 52
    assert caught.value.messages[-1] == "stopped after 200 faults; correct these first"
    assert not (tmp_path / "new").exists()


def test_a_file_of_a_terabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 536,870,912 bytes; convert the images in parts"):
        coco_instances.convert(path, tmp_path / "new")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
