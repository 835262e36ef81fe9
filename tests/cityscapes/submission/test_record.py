import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cityscapes.submission import main, pack
from tests.cityscapes.drawn_submission import STEMS, TRAIN_IDS, prediction, save, zipped


def recorded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def of_zip(archive: Path) -> dict[str, Any]:
    return {
        "name": archive.name,
        "bytes": archive.stat().st_size,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }


def is_recent(time: str) -> bool:
    return abs((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()) < 600


def test_the_manifest_records_the_check(root: Path, folder: Path, official: None, tmp_path: Path) -> None:
    (folder / "notes.txt").touch()
    pack(folder, tmp_path / "made.zip", root)
    checked = recorded(tmp_path / "made.zip.manifest.json")["checked"]
    assert is_recent(checked.pop("time"))
    (warning,) = checked.pop("warnings")
    assert warning.startswith("not a prediction: got 1 file")
    assert checked == {
        "task": "pixel",
        "result": "ok",
        "verdict": "ok: 6 predictions, one for each test image, all of label ids",
        "predictions": 6,
        "faults": [],
    }


def test_other_images_are_recorded_as_not_official(root: Path, folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "made.zip", root)
    manifest = recorded(tmp_path / "made.zip.manifest.json")
    assert manifest["checked"]["result"] == "not official"
    assert manifest["checked"]["verdict"] == (
        "not for the server: 6 predictions, one for each expected image, all of label ids"
    )
    assert str(tmp_path) not in json.dumps(manifest)


def test_a_check_of_a_zip_is_recorded(
    root: Path, folder: Path, official: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, output = zipped(folder, tmp_path / "made.zip"), tmp_path / "records/made.zip.check.json"
    assert main(["check", str(archive), "--root", str(root), "--output", str(output)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"wrote {output}"
    content = recorded(output)
    assert content["zip"] == of_zip(archive)
    assert (content["official_test_set"], content["deviation"]) == (True, "")
    assert content["checked"]["result"] == "ok"
    assert "folder" not in content


def test_faults_of_a_folder_are_recorded(
    root: Path, folder: Path, official: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(prediction(folder, STEMS[0]), TRAIN_IDS)
    prediction(folder, STEMS[1]).unlink()
    output = tmp_path / "check.json"
    assert main(["check", str(folder), "--root", str(root), "--output", str(output)]) == 2
    content = recorded(output)
    assert (content["folder"], "zip" in content) == (folder.name, False)
    checked = content["checked"]
    assert (checked["result"], checked["verdict"]) == ("faults", "2 kinds of fault in 5 predictions")
    missing, mixed = checked["faults"]
    assert missing.startswith("missing: got no prediction for 1 of 6 test images")
    assert mixed.startswith("mixed ids: got train ids in 1 of 5 predictions")
    printed = capsys.readouterr().err
    assert all(f"error: {folder}: {fault}\n" in printed for fault in (missing, mixed))


def test_without_output_nothing_is_written(root: Path, folder: Path, official: None, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["check", str(folder), "--root", str(root)]) == 0
    assert sorted(tmp_path.iterdir()) == before


def test_the_record_does_not_replace_what_is_checked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    older = archive.read_bytes()
    assert main(["check", str(archive), "--output", str(archive)]) == 2
    assert "is the zip to check; give a name such as" in capsys.readouterr().err
    assert archive.read_bytes() == older
    assert main(["check", str(folder), "--output", str(folder / "berlin/check.json")]) == 2
    assert "is in the folder to check; give a name outside" in capsys.readouterr().err
    assert not (folder / "berlin/check.json").exists()
