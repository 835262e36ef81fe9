import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cityscapes.formats import panoptic, panoptic_reader, panoptic_writer
from cityscapes.formats.panoptic import MAX_SEGMENT_ID, AnnotatedImage, Segment
from cityscapes.formats.panoptic_reader import REMEDIES, parse
from engine.errors import InputError

STEM = "aachen_000000_000019"


def annotation(**changes: Any) -> dict[str, Any]:
    segments = [{"id": 7, "category_id": 7}, {"id": 26001, "category_id": 26}]
    return {"image_id": STEM, "file_name": "a.png", "segments_info": segments} | changes


def segment(**changes: Any) -> dict[str, Any]:
    return annotation(segments_info=[{"id": 7, "category_id": 7} | changes])


def written(*annotations: Any) -> bytes:
    return json.dumps({"annotations": annotations}).encode()


def test_names_of_the_official_converter() -> None:
    assert panoptic.file_names("val") == ("cityscapes_panoptic_val.json", "cityscapes_panoptic_val")
    names = ("cityscapes_panoptic_train_trainId.json", "cityscapes_panoptic_train_trainId")
    assert panoptic.file_names("train", train_ids=True) == names
    assert panoptic.png_name(STEM) == f"{STEM}_gtFine_panoptic.png"


def test_categories_are_the_scored_classes() -> None:
    person = next(entry for entry in panoptic.categories() if entry["name"] == "person")
    assert person == {"id": 24, "name": "person", "color": [220, 20, 60], "supercategory": "human", "isthing": 1}
    assert tuple(entry["id"] for entry in panoptic.categories()) == panoptic.category_ids()
    assert tuple(entry["id"] for entry in panoptic.categories(train_ids=True)) == tuple(range(19))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (6, 9)])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_encoded_ids_are_read_again(shape: tuple[int, int], dtype: type[Any]) -> None:
    most = min(MAX_SEGMENT_ID, np.iinfo(dtype).max)
    ids: npt.NDArray[Any] = np.random.default_rng(3).integers(0, most, shape, endpoint=True).astype(dtype)
    ids[-1, -1] = most
    content = panoptic.encode(ids, {"Software": "somebody"})
    picture = Image.open(io.BytesIO(content))
    assert picture.mode == "RGB"
    rgb = np.asarray(picture)
    assert np.array_equal(rgb @ np.array([1, 256, 65536]), ids)
    assert np.array_equal(panoptic.ids_of(rgb), ids)
    assert np.array_equal(panoptic.ids_of(rgb[::-1, ::-1]), ids[::-1, ::-1])


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
def test_segments_are_those_of_one_mask_per_id(seed: int, height: int, width: int) -> None:
    values = np.array([0, 1, 7, 9, 23, 24, 26, 24000, 24001, 26000, 29000, 33255], np.uint16)
    ids = np.random.default_rng(seed).choice(values, (height, width))
    expected = []
    for of in (7, 23, 24, 26, 24000, 24001, 26000, 33255):
        rows, columns = np.nonzero(ids == of)
        if rows.size:
            left, top = int(columns.min()), int(rows.min())
            box = (left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1)
            category = of // 1000 if of >= 1000 else of
            expected.append(Segment(of, category, rows.size, box, int(of in (24, 26))))
    assert panoptic_writer.segments_of(ids) == expected
    as_train_ids = {7: 0, 23: 10, 24: 11, 26: 13, 33: 18}
    assert panoptic_writer.segments_of(ids, train_ids=True) == [
        segment._replace(category_id=as_train_ids[segment.category_id]) for segment in expected
    ]


def test_a_mask_of_other_ids_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected instance ids .* got 99, 255, 40000; "):
        panoptic_writer.segments_of(np.array([[7, 255], [99, 40000]], np.uint16))


IMAGES = [
    AnnotatedImage(STEM, "a.png", [Segment(7, 7, 3, (0, 1, 2, 3), 0), Segment(24, 24, 9, (4, 5, 6, 7), 1)]),
    AnnotatedImage('quo"te_000000_000001', "b\u00e9.png", []),
]


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:1], IMAGES[1:], []])
def test_json_is_that_of_the_standard_library(images: list[AnnotatedImage]) -> None:
    content = "".join(panoptic_writer.prediction_text(images))
    document = {
        "annotations": [
            image._asdict() | {"segments_info": [segment._asdict() for segment in image.segments]} for image in images
        ]
    }
    for entry in document["annotations"]:
        del entry["segments"]
    assert content == json.dumps(document, sort_keys=True, indent=4)
    document["categories"] = panoptic.categories()
    document["images"] = [
        {"id": image.image_id, "width": 8, "height": 6, "file_name": f"{image.image_id}_gtFine_leftImg8bit.png"}
        for image in images
    ]
    content = "".join(panoptic_writer.truth_text((image, 8, 6) for image in images))
    assert content == json.dumps(document, sort_keys=True, indent=4)
    assert parse(content.encode(), truth=True) == (images, [])


def test_predictions_without_area_are_written_and_read() -> None:
    images = [AnnotatedImage(STEM, "a.png", [Segment(7, 7), Segment(26001, 26)])]
    content = "".join(panoptic_writer.prediction_text(images))
    assert json.loads(content) == {"annotations": [annotation()]}
    assert parse(content.encode()) == (images, [])


def test_what_the_scorer_ignores_is_ignored() -> None:
    content = {"info": None, "images": 3, "annotations": [annotation(extra=1)], "categories": "?"}
    images, faults = parse(b"\xef\xbb\xbf" + json.dumps(content).encode())
    assert [image.image_id for image in images] == [STEM]
    assert faults == []


FAULTS = {
    "{": ("json", "not valid JSON"),
    "\xff": ("json", "not valid JSON"),
    '{"annotations": [' + "9" * 5000 + "]}": ("json", "not valid JSON"),
    "[" * 100_000: ("json", "nested too deeply"),
    "[]": ("structure", "expected an object with a list of annotations, got []"),
    "null": ("structure", "got None"),
    '{"annotations": {}}': ("structure", "annotations is {}"),
}


@pytest.mark.parametrize("content", FAULTS, ids=lambda content: content[:20])
def test_a_broken_file_has_one_fault(content: str) -> None:
    images, [fault] = parse(content.encode("latin-1"))
    kind, what = FAULTS[content]
    assert images == []
    assert (fault.kind, fault.where) == (kind, "")
    assert what in fault.what


LONG = "x" * 100_000
DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("entry", "kind", "where", "what"),
    [
        (3, "annotation", "annotation 0", "expected an object, got 3"),
        ({}, "annotation", "annotation 0", "image_id: expected a string, which is missing"),
        (annotation(image_id=5), "image number", "annotation 0", "image_id: expected a string, got 5"),
        (annotation(file_name=None), "annotation", STEM, "file_name: expected a string, got None"),
        (annotation(segments_info={}), "annotation", STEM, "segments_info: expected a list, got {}"),
        (
            annotation(image_id=f"{STEM}_leftImg8bit"),
            "image id",
            f"{STEM}_leftImg8bit",
            f"expected <city>_<6 digits>_<6 digits>, got '{STEM[:12]}...",
        ),
        (annotation(image_id="\ud800\n"), "image id", r"\ud800", "expected <city>"),
        (annotation(image_id=LONG), "image id", "x" * 50, "expected <city>"),
        (annotation(file_name="../a.png"), "file name", STEM, "expected a path inside the folder, got '../a.png'"),
        (annotation(file_name="/tmp/a.png"), "file name", STEM, "expected a path inside"),
        (annotation(file_name=""), "file name", STEM, "expected a path inside"),
        (annotation(file_name="a\0.png"), "file name", STEM, "expected a path inside"),
        (annotation(segments_info=[DEEP]), "segment", STEM, "segment 0: expected an object, got [[...]]"),
        (annotation(segments_info=[{"id": 1}]), "segment", STEM, "segment 0: category_id: expected an integer, which"),
        (segment(id="7"), "segment", STEM, "segment 0: id: expected an integer, got '7'"),
        (segment(id=True), "segment", STEM, "segment 0: id: expected an integer, got True"),
        (segment(id=7.0), "segment", STEM, "segment 0: id: expected an integer, got 7.0"),
        (segment(id=float("nan")), "segment", STEM, "segment 0: id: expected an integer, got nan"),
        (segment(category_id=LONG), "segment", STEM, "segment 0: category_id: expected an integer, got 'xxx"),
        (segment(id=-1), "segment id", STEM, "expected 0 to 16,777,215, got -1"),
        (segment(id=1 << 24), "segment id", STEM, "expected 0 to 16,777,215, got 16777216"),
        (segment(id=10**4000), "segment id", STEM, "expected 0 to 16,777,215, got 1000"),
        (segment(category_id=99), "category", STEM, "segment 7: unknown category_id 99"),
        (segment(category_id=29), "category", STEM, "unknown category_id 29 (caravan, which is not scored)"),
        (segment(category_id=10**4000), "category", STEM, "unknown category_id 1000"),
        (annotation(segments_info=[{"id": 7, "category_id": 7}] * 2), "duplicate segment", STEM, "have the id 7"),
    ],
)
def test_every_fault_of_an_entry_has_its_kind(entry: Any, kind: str, where: str, what: str) -> None:
    faultless = annotation(image_id="bonn_000000_000001", file_name="b.png")
    images, faults = parse(written(entry, faultless))
    assert images[-1].image_id == "bonn_000000_000001", "the other images are read"
    fault = faults[0]
    assert fault.kind == kind
    assert fault.where.startswith(where)
    assert what in fault.what
    assert len(fault.where) <= 250
    assert len(fault.what) <= 250
    assert fault.what.isprintable()
    assert kind in REMEDIES


def test_all_faults_are_listed() -> None:
    broken = annotation(segments_info=[{"id": 7, "category_id": 99}, {"id": "x"}, {"id": 8, "category_id": 33}, None])
    images, faults = parse(written(broken, annotation(), annotation(image_id="bonn_000000_000001"), {"image_id": "x"}))
    assert [fault.kind for fault in faults] == [
        *("category", "segment", "segment", "duplicate image", "duplicate file", "annotation", "annotation")
    ]
    assert images[0].segments == [Segment(7, 99), Segment(8, 33)]
    assert [image.image_id for image in images] == [STEM, "bonn_000000_000001"]


def test_train_ids_as_categories_are_one_fault() -> None:
    segments = [{"id": 5, "category_id": train_id} for train_id in range(19)]
    entries = [annotation(segments_info=[one | {"id": number} for number, one in enumerate(segments)])]
    _, faults = parse(written(*entries))
    assert [(fault.kind, fault.where) for fault in faults] == [("train ids", "")]
    assert faults[0].what.startswith("category ids from 0 to 18, unknown in 13 segments: these are train ids")
    assert parse(written(*entries), train_ids=True)[1] == []
    _, faults = parse(written(*entries, segment(category_id=33) | {"image_id": "bonn_000000_000001", "file_name": "b"}))
    assert {fault.kind for fault in faults} == {"category"}
    assert len(faults) == 13


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"area": None},
            {"area": 0},
            {"area": True},
            {"area": 1 << 29},
            {"bbox": [1, 2, 3]},
            {"bbox": [1, 2, 3, 4.5]},
        ),
        *({"bbox": "1234"}, {"iscrowd": 2}, {"iscrowd": False}, {"id": 0}),
    ],
)
def test_segments_of_the_ground_truth_are_complete(changes: dict[str, Any]) -> None:
    complete = {"area": 4, "bbox": [0, 0, 2, 2], "iscrowd": 0}
    assert parse(written(segment(**complete)), truth=True)[1] == []
    [fault] = parse(written(segment(**complete | changes)), truth=True)[1]
    assert fault.kind == ("segment id" if "id" in changes else "area")
    [fault] = parse(written(segment()), truth=True)[1]
    assert fault == panoptic_reader.Fault(
        "area", STEM, "segment 7: area: expected a number of pixels, which is missing"
    )


def test_image_ids_of_the_ground_truth_may_have_any_form() -> None:
    assert parse(written(annotation(image_id="mine", segments_info=[])), truth=True)[1] == []


def test_a_huge_file_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panoptic_reader, "MAX_VALUES", 1000)
    [fault] = parse(b"[" + b"[]," * 1000)[1]
    assert (fault.kind, fault.what) == ("json", "about 2,001 values, expected at most 1,000")
    monkeypatch.setattr(panoptic_reader, "MAX_BYTES", 1000)
    [fault] = parse(b'"' + b"a" * 1000)[1]
    assert (fault.kind, fault.what) == ("json", "1,001 bytes, expected at most 1,000")


def test_the_number_of_listed_faults_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panoptic_reader, "MAX_FAULTS", 3)
    _, faults = parse(written(1, 2, 3))
    assert [fault.kind for fault in faults] == ["annotation"] * 3
    _, faults = parse(written(1, 2, 3, 4, 5))
    assert [fault.kind for fault in faults] == ["annotation"] * 3 + ["many"]
