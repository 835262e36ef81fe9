import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cityscapes.submission import main, pack
from engine.errors import InputError
from engine.files import atomic
from engine.files.atomic import write_json
from engine.files.content import naming
from report.records import Submission
from report.sources import submissions
from tests.cityscapes.drawn_submission import LABEL_IDS, STEMS, TRAIN_IDS, prediction, save, zipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in STEMS[:2]:
        save(prediction(tmp_path / "predictions", stem), LABEL_IDS)
        image = tmp_path / "data/leftImg8bit/test" / stem.split("_", maxsplit=1)[0] / f"{stem}_leftImg8bit.png"
        save(image, LABEL_IDS)
    return tmp_path / "predictions"


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    """A packed archive with its manifest."""
    path = tmp_path / "submission.zip"
    pack(folder, path, tmp_path / "data", made_with={"commit": "abc", "scales": [1.0]})
    return path


def manifest_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.manifest.json")


def with_manifest(archive: Path, **changes: Any) -> Submission:
    """The submission after changes of keys of its manifest."""
    write_json(manifest_of(archive), json.loads(manifest_of(archive).read_text()) | changes)
    return submissions.read(archive)


def test_a_packed_archive(archive: Path) -> None:
    found = submissions.read(archive)
    assert found.state == "not official"
    assert found.bytes == archive.stat().st_size
    assert found.deviation.startswith("got 2 images, expected 1525")
    assert found.verdict == "not for the server: 2 predictions, one for each expected image, all of label ids"
    assert (found.task, found.faults, found.made_with) == ("pixel", (), {"commit": "abc", "scales": [1.0]})
    assert found.checked.endswith("Z")


def test_an_archive_of_the_official_test_set_is_ready(archive: Path) -> None:
    checked = {"result": "ok", "verdict": "ok: 1525 predictions", "time": "2026-11-28T12:50:31Z", "task": "pixel"}
    found = with_manifest(archive, official_test_set=True, deviation="", checked=checked)
    assert (found.state, found.checked, found.deviation) == ("ready", "2026-11-28T12:50:31Z", "")


def test_a_manifest_without_a_record_of_its_check(archive: Path) -> None:
    found = with_manifest(archive, official_test_set=True, deviation="", checked=None)
    assert (found.state, found.checked) == ("ready", "")
    assert with_manifest(archive, official_test_set=False).state == "not official"


def test_a_check_with_faults(folder: Path, tmp_path: Path) -> None:
    save(prediction(folder, STEMS[0]), TRAIN_IDS)
    archive = zipped(folder, tmp_path / "made.zip")
    output = f"{archive}.check.json"
    assert main(["check", str(archive), "--root", str(tmp_path / "data"), "--output", output]) == 2
    found = submissions.read(archive)
    assert (found.state, found.made_with) == ("faults", {})
    assert found.faults[0].startswith("mixed ids: ")


def test_the_newer_record_counts(archive: Path) -> None:
    manifest = json.loads(manifest_of(archive).read_text())
    older = manifest | {"checked": manifest["checked"] | {"time": "2020-01-01T00:00:00Z", "result": "ok"}}
    write_json(archive.with_name(f"{archive.name}.check.json"), older)
    assert submissions.read(archive).state == "not official"
    newer = manifest | {"checked": manifest["checked"] | {"time": "2199-01-01T00:00:00Z", "result": "ok"}}
    write_json(archive.with_name(f"{archive.name}.check.json"), newer)
    found = submissions.read(archive)
    assert (found.state, found.checked) == ("ready", "2199-01-01T00:00:00Z")
    assert found.made_with["commit"] == "abc"


@pytest.mark.parametrize("same_size", [True, False])
def test_an_archive_that_changed_after_its_check(archive: Path, same_size: bool) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if same_size else content + b"x")
    found = submissions.read(archive)
    assert (found.state, found.verdict) == ("changed", "this is another file than the one that was checked")


def test_a_large_archive_is_compared_by_size_and_time(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "_MAX_HASHED", 1)
    checked = json.loads(manifest_of(archive).read_text())["checked"]
    assert with_manifest(archive, checked=checked | {"time": "2199-01-01T00:00:00Z"}).state == "not official"
    assert with_manifest(archive, checked=checked | {"time": "2020-01-01T00:00:00Z"}).state == "changed"
    assert with_manifest(archive, checked=checked | {"time": "soon"}).state == "changed"


def test_a_record_without_its_archive(archive: Path) -> None:
    archive.unlink()
    found = submissions.read(archive)
    assert (found.state, found.bytes) == ("missing", None)


def test_an_archive_without_a_record(folder: Path, tmp_path: Path) -> None:
    found = submissions.read(zipped(folder, tmp_path / "made.zip"))
    assert (found.state, found.sha256, found.checked) == ("unchecked", None, "")


def test_the_record_of_a_folder_is_not_that_of_an_archive(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    write_json(tmp_path / "made.zip.check.json", {"folder": "made", "checked": {"result": "ok"}})
    assert submissions.read(archive).state == "unchecked"


def test_archives_of_a_folder() -> None:
    names = {"a.zip", "b.zip.manifest.json", "c.tar.gz", "d.zip.check.json", "a.zip.check.json", "scores.json"}
    assert submissions.archives(names) == ["a.zip", "b.zip", "c.tar.gz", "d.zip"]


@pytest.mark.parametrize("content", [[], {"zip": 3}, {"zip": {}, "checked": 7}, "{"])
def test_a_damaged_manifest_is_refused(archive: Path, content: Any) -> None:
    manifest_of(archive).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises((InputError, TypeError)):
        submissions.read(archive)


def test_strange_values_are_left_out(archive: Path) -> None:
    checked = {"result": ["ok"], "verdict": 3, "time": {}, "task": None, "faults": "none", "warnings": [1, "w"]}
    found = with_manifest(archive, deviation=8, checked=checked)
    assert (found.state, found.task, found.deviation, found.checked) == ("unchecked", "", "", "")
    assert (found.faults, found.warnings) == ((), ("w",))


def test_an_archive_that_cannot_be_read_is_not_called_changed(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def reading(path: Path) -> Iterator[None]:
        with naming(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield

    monkeypatch.setattr(atomic, "reading", reading)
    with pytest.raises(InputError, match=archive.name):
        submissions.read(archive)
