import errno
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cityscapes.submission import archive as archives
from cityscapes.submission import check, main, pack
from cityscapes.submission.pixel import checking
from engine.errors import InputError
from tests.cityscapes.drawn_submission import STEMS, TRAIN_IDS, prediction, save


def visible(folder: Path) -> set[str]:
    """Names in a folder, without the lock next to a zip."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_pack(root: Path, folder: Path, official: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.txt").touch()
    archive = tmp_path / "zips/made.zip"
    arguments = ["pack", str(folder), str(archive), "--root", str(root), "--workers", "1"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok: 6 predictions, one for each test image, all of label ids",
        "task: pixel",
        f"packed into {archive}, listed in {archive}.manifest.json",
        f"next: upload {archive} at cityscapes-dataset.com",
    ]
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [f"{stem.split('_')[0]}/{stem}_labelId_preds.png" for stem in STEMS]
        assert packed.read(packed.namelist()[0]) == prediction(folder, STEMS[0]).read_bytes()
    assert check(archive, root).ok

    first = archive.read_bytes()
    for path in folder.rglob("*.png"):
        path.chmod(0o600)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert main(arguments) == 0
    assert archive.read_bytes() == first
    assert visible(archive.parent) == {"made.zip", "made.zip.manifest.json"}


def test_pack_refuses_and_leaves_nothing(
    root: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prediction(folder, STEMS[0]).unlink()
    prediction(folder, STEMS[1]).write_bytes(b"")
    archive = tmp_path / "made.zip"
    before = sorted(tmp_path.iterdir())
    assert main(["pack", str(folder), str(archive), "--root", str(root), "--workers", "1"]) == 2
    errors = capsys.readouterr().err
    assert f"error: {folder}: missing: " in errors
    assert f"error: {folder}: damaged: " in errors
    assert sorted(tmp_path.iterdir()) == before


def test_failed_write_keeps_the_older_zip(
    root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "made.zip"
    pack(folder, archive, root)
    older = archive.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: "berlin.png")
    with pytest.raises(InputError, match=r"made\.zip: berlin\.png is damaged when it is read back"):
        pack(folder, archive, root)
    assert archive.read_bytes() == older
    assert visible(tmp_path) == {"data", "results", "made.zip", "made.zip.manifest.json"}


@pytest.mark.parametrize("name", ["made.tar", "results"])
def test_pack_needs_a_zip_name(name: str, root: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected the name of a file ending in \.zip"):
        pack(folder, tmp_path / name, root)


def test_pack_needs_a_folder(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        pack(tmp_path / "nowhere", tmp_path / "made.zip", root)


def test_help_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "python -m cityscapes.submission pack" in capsys.readouterr().out


def test_a_failure_at_any_step_keeps_the_older_zip_and_manifest(
    root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older pair is kept if the new zip cannot be read back, or if the disk is full."""
    archive = tmp_path / "made.zip"
    pack(folder, archive, root, made_with={"number": 1})
    older = {path.name: path.read_bytes() for path in tmp_path.glob("made.zip*")}

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((zipfile.ZipFile, "testzip"), (archives, "sha256"), (json, "dumps")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(InputError, match=r"made\.zip"):
                pack(folder, archive, root, made_with={"number": 2})
        assert {path.name: path.read_bytes() for path in tmp_path.glob("made.zip*")} == older
        assert not list(tmp_path.glob("*.part"))


def test_a_prediction_that_changes_after_its_check_is_not_packed(
    root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = checking.inspect

    def inspect(*arguments: Any) -> Any:
        found = checked(*arguments)
        save(prediction(folder, STEMS[1]), TRAIN_IDS)
        return found

    monkeypatch.setattr(checking, "inspect", inspect)
    with pytest.raises(InputError, match=r"000020_labelId_preds\.png: has changed since it was checked; pack again"):
        pack(folder, tmp_path / "made.zip", root)
    assert visible(tmp_path) == {"data", "results"}
