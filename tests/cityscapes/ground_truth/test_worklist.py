"""Batches: every fault is reported, and an interruption loses no finished mask."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import generate_gt
from cityscapes.ground_truth import polygons
from cityscapes.layout import Scene
from engine.files.images import read_ids

REPOSITORY = Path(__file__).parents[3]
BOX = [[3, 3], [40, 5], [30, 28], [4, 20]]
Content = dict[str, Any]


def content(number: int) -> Content:
    car = [[x + number % 17, y] for x, y in BOX]
    shapes = [{"label": "road", "polygon": [[0, 9], [63, 9], [63, 32], [0, 32]]}, {"label": "car", "polygon": car}]
    return {"imgWidth": 64, "imgHeight": 32, "objects": shapes}


def with_object(entry: Any) -> bytes:
    whole = content(0)
    return json.dumps({**whole, "objects": [*whole["objects"], entry]}).encode()


def with_top(**values: Any) -> bytes:
    return json.dumps({**content(0), **values}).encode()


WAYS_TO_BREAK: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "broken JSON"),
    "truncated": (json.dumps(content(0)).encode()[:-9], "broken JSON"),
    "binary": (bytes(range(128, 256)), "broken JSON"),
    "Latin-1": (b'{"label": "stra\xdfe"}', "broken JSON"),
    "endlessly nested": (b"[" * 200_000, "broken JSON"),
    "a list": (b"[]", "expected imgWidth, imgHeight and objects"),
    "no width": (b'{"imgHeight": 4, "objects": []}', "expected imgWidth, imgHeight and objects"),
    "no objects": (b'{"imgWidth": 4, "imgHeight": 4}', "expected imgWidth, imgHeight and objects"),
    "no height": (with_top(imgHeight=0), "got 64 x 0"),
    "negative width": (with_top(imgWidth=-64), "got -64 x 32"),
    "width in words": (with_top(imgWidth="64"), "got '64' x 32"),
    "width true": (with_top(imgWidth=True), "got True x 32"),
    "too many pixels": (with_top(imgWidth=30_000, imgHeight=30_000), "got 30000 x 30000"),
    "objects by name": (with_top(objects={}), "expected a list of objects, got dict"),
    "not an object": (with_object("car"), "object 2: expected a label and a polygon"),
    "unknown label": (with_object({"label": "spaceship", "polygon": BOX}), "unknown label 'spaceship'"),
    "label by number": (with_object({"label": 26, "polygon": BOX}), "object 2: expected a label and a polygon"),
    "no polygon": (with_object({"label": "car"}), "object 2: car: expected a polygon"),
    "ragged polygon": (with_object({"label": "car", "polygon": [[1, 2], [3]]}), "object 2: car: expected a polygon"),
    "not a number": (with_object({"label": "car", "polygon": [[1, None]]}), "object 2: car: expected a polygon"),
    "far away": (with_object({"label": "car", "polygon": [[1, 10**400]]}), "object 2: car: expected a polygon"),
}


def populate(root: Path, count: int) -> list[Scene]:
    scenes = [Scene("train", "aachen", f"aachen_{number:06}_000019") for number in range(count)]
    scenes[0].polygons(root).parent.mkdir(parents=True)
    for number, scene in enumerate(scenes):
        scene.polygons(root).write_text(json.dumps(content(number)))
    return scenes


def break_some(root: Path, scenes: list[Scene]) -> dict[Path, str]:
    """Break one file in each way; path -> part of the expected message."""
    chosen = random.Random(0).sample(scenes, len(WAYS_TO_BREAK))
    reasons = {}
    for scene, (data, reason) in zip(chosen, WAYS_TO_BREAK.values(), strict=True):
        scene.polygons(root).write_bytes(data)
        reasons[scene.polygons(root)] = reason
    return reasons


def test_every_broken_file_is_reported_and_the_others_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = break_some(tmp_path, populate(tmp_path, 200))
    assert generate_gt.main(["--root", str(tmp_path), "--workers", "2"]) == 2
    printed = capsys.readouterr()
    assert "179 scenes drawn, 0 were up to date, 21 faulty" in printed.out
    errors = printed.err.splitlines()
    assert len(errors) == 21
    for path, reason in reasons.items():
        assert any(line.startswith(f"error: {path}: ") and reason in line for line in errors), (path, reason)
    assert len(list((tmp_path / "generated_gt").rglob("*.png"))) == 3 * 179


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [kill_all, interrupt])
def test_masks_written_before_an_interruption_are_complete_and_kept(
    tmp_path: Path, stop: Callable[["subprocess.Popen[bytes]"], None], capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = populate(tmp_path, 200)
    enough = random.randrange(1, 500)
    command = [sys.executable, "generate_gt.py", "--root", str(tmp_path), "--workers", "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and len(done := list(tmp_path.rglob("[!.]*.png"))) < enough:
            time.sleep(0.001)
        if process.poll() is None:
            stop(process)
    done = list(tmp_path.rglob("[!.]*.png"))
    before = {path: path.stat() for path in done}
    for path in done:
        read = np.asarray(read_ids(path)) if "color" not in path.name else np.empty((32, 64))
        assert read.shape == (32, 64)

    assert generate_gt.main(["--root", str(tmp_path), "--workers", "1"]) == 0
    whole = {path for path in before if sum(other.name[:20] == path.name[:20] for other in done) == 3}
    assert f"{200 - len(whole) // 3} scenes drawn, {len(whole) // 3} were up to date" in capsys.readouterr().out
    for path, stat in before.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns), "drawn twice"
    for scene in scenes:
        masks = polygons.draw(polygons.read(scene.polygons(tmp_path)))
        assert np.array_equal(read_ids(scene.generated_mask(tmp_path, "labelId")), masks.label_ids)
        assert np.array_equal(read_ids(scene.generated_mask(tmp_path, "trainId")), masks.train_ids)
