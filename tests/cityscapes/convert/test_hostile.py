"""Files of other programs in which any value is replaced by any other: an answer or a message, never another error."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityscapes.convert import coco_instances, coco_panoptic, cvat, labelme
from engine.errors import InputError
from tests.cityscapes.convert import coco_api, test_coco_instances, test_coco_panoptic, test_cvat, test_labelme

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 1 << 24, 1 << 40, 1 << 70, 10**400, -(10**400)),
    *(0.5, -0.0, 1e300, float("nan"), float("inf"), -float("inf")),
    *("", "a", "0", "oooo", "..", "../a.png", "/etc/passwd", "a\0b", "\ud800", "\u202e", "x" * 10_000, "mask"),
    *([], {}, [[]], [{}], [None], [1, 2], ["a"], [[1, 2]], [[1, 2, 3, 4, 5, 6]], {"id": 1}, {"size": [1, 1]}),
    *({"size": [1 << 20, 1 << 20], "counts": "0"}, {"size": [12, 20], "counts": [240]}, 10_000 * [0]),
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    yield path
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(value, (*path, key))


def changed(content: Any, rng: random.Random) -> Any:
    """The document with one to three values replaced or removed."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 3)):
        *path, last = (rng.choice(list(places(content))) or (None,)) if isinstance(content, dict | list) else (None,)
        if last is None:
            return rng.choice(VALUES)
        target = content
        for key in path:
            target = target[key]
        if rng.random() < 0.2:
            del target[last]
        else:
            target[last] = copy.deepcopy(rng.choice(VALUES))
    return content


Convert = Callable[[Path, Path, bool], object]
"""A converter: folder with `input.json` and other inputs, new folder, whether to skip."""


def _panoptic(folder: Path, new: Path, skip: bool) -> object:
    return coco_panoptic.convert(folder / "input.json", folder / "panoptic", new, "val", skip_faulty=skip)


CONVERTERS: dict[str, tuple[Any, Convert]] = {
    "instances": (
        [
            *test_coco_instances.mask2former()[:3],
            {**test_coco_instances.uncompressed()[3], "image_id": 3},
            {**test_coco_instances.mask2former()[0], "segmentation": [[1.5, 1, 9, 2, 8, 7.5]]},
        ],
        lambda folder, new, skip: coco_instances.convert(folder / "input.json", new, skip_faulty=skip),
    ),
    "annotations": (
        test_coco_instances.mmdetection_annotations(),
        lambda folder, new, skip: coco_instances.convert(
            folder / "results.json", new, annotations=folder / "input.json", skip_faulty=skip
        ),
    ),
    "panoptic": (None, _panoptic),
    "labelme": (
        test_labelme.labelme(*test_labelme.SHAPES) | {"imageData": None},
        lambda folder, new, skip: labelme.convert(folder, new, skip_faulty=skip),
    ),
    "cvat": (
        test_cvat.cvat(
            test_cvat.annotation("road", [[0.0, 1.0, 20.0, 1.0, 20.0, 12.0]]),
            test_cvat.annotation("person", coco_api.uncompressed(test_cvat.brush())),
            test_cvat.annotation("car", [], bbox=[15.0, 2.0, 3.0, 2.0]),
        ),
        lambda folder, new, skip: cvat.convert(folder / "input.json", new, skip_faulty=skip),
    ),
}


@pytest.mark.parametrize("name", CONVERTERS)
@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30), skip=st.booleans())
def test_changed_values_are_answered(
    name: str, seed: int, skip: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content, convert = CONVERTERS[name]
    folder = tmp_path_factory.mktemp("case")
    inputs = folder / "inputs"
    inputs.mkdir()
    if name == "panoptic":
        content = json.loads(test_coco_panoptic.mask2former(inputs).read_text())
        (inputs / "predictions.json").unlink()
    if name == "annotations":
        test_coco_instances.write(inputs / "results.json", test_coco_instances.mmdetection()[:4])
    text = json.dumps(changed(content, random.Random(seed)))
    (inputs / "input.json").write_text(text)
    messages: tuple[str, ...] = ()
    try:
        convert(inputs, folder / "new", skip)
    except InputError as error:
        messages = error.messages
    assert (folder / "new").is_dir() == (not messages)
    assert all(len(message) < 2000 for message in messages)
    assert {entry.name for entry in folder.iterdir()} <= {"inputs", "new"}
