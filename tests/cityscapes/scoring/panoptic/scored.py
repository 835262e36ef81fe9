"""Panoptic predictions and the scorer: its figures next to the official ones, and its messages about faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from cityscapes.scoring.panoptic import measure
from engine.errors import InputError
from engine.files.atomic import strict
from tests.cityscapes.drawn_panoptic import PanopticFolder, official_quality
from tests.cityscapes.drawn_predictions import assert_equal

KEYS = {"All", "Things", "Stuff", "per_class"}


def figures(folder: PanopticFolder, workers: int = 1) -> dict[str, Any]:
    """The result file of our scorer."""
    result = measure(folder.predictions, folder.root, folder.split, workers=workers)
    return json.loads(json.dumps(strict(result.to_json()), allow_nan=False))  # type: ignore[no-any-return]


def assert_official(folder: PanopticFolder, truth: Path | None = None) -> dict[str, Any]:
    """Compare with the official scorer, and return its figures."""
    official = official_quality(folder, truth)
    ours = {key: value for key, value in figures(folder).items() if key in KEYS}
    assert_equal(*(json.loads(json.dumps(content, sort_keys=True)) for content in (ours, official)))
    return official


def faults(folder: PanopticFolder) -> list[str]:
    """Messages of the scorer about files that it must refuse."""
    with pytest.raises(InputError) as caught:
        measure(folder.predictions, folder.root, folder.split)
    return list(caught.value.messages)


STEM = "ulm_000000_000019"


def entry(folder: PanopticFolder) -> dict[str, Any]:
    """The first annotation, which the test may change before it writes the JSON again."""
    return folder.annotations[0]


def png(folder: PanopticFolder) -> Path:
    return folder.pngs / f"{STEM}_panoptic.png"
