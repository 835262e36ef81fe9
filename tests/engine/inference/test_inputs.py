import os
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.atomic import write_json
from engine.files.images import read_image
from engine.inference.inputs import list_images
from engine.inference.output import NOTE


def test_images_that_differ_only_in_their_endings_get_different_names(tmp_path: Path) -> None:
    names = ("a.jpg", "a.png", "a.jpg.png", "b.png", "c.d.png", "c.e.png")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = {sample.name: sample.image.name for sample in list_images(tmp_path)}
    assert found == {"a.jpg": "a.jpg", "a.png": "a.png", "a.jpg.png": "a.jpg.png"} | {
        "b": "b.png",
        "c.d": "c.d.png",
        "c.e": "c.e.png",
    }


def test_files_that_are_left_out_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, more = tmp_path / "photos", tmp_path / "more"
    for path in (photos / "a.jpg", photos / "b.heic", photos / "c.TXT", photos / ".hidden.png", more / "d.png"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (photos / "link").symlink_to(more)
    assert [sample.name for sample in list_images(photos)] == ["a"]
    assert capsys.readouterr().err.splitlines() == [
        f"note: {photos}: left out, because they are not images: 1 .heic, 1 .txt",
        f"note: {photos / 'link'}: links to folders are not followed; give this folder as --images in another run",
    ]


def test_a_named_pipe_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (sample,) = list_images(tmp_path)
    with pytest.raises(InputError, match=r"a\.png: got a named pipe, expected a file"):
        read_image(sample.image)
    with pytest.raises(InputError, match="this is a file; give the folder that it is in"):
        list_images(tmp_path / "a.png")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.png").touch()
    scandir = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match=r"closed: cannot list this folder \(Permission denied\)"):
        list_images(tmp_path)


def test_images_in_a_folder_of_results(tmp_path: Path) -> None:
    for name in (NOTE, "a.png", "overlays/a_overlay.png", "predictions/a_labelId_preds.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    overlay, prediction = "overlays/a_overlay", "predictions/a_labelId_preds"
    found = [sample.name for sample in list_images(tmp_path)]
    assert found == ["a", overlay, prediction], "that file is not a record of this project"
    write_json(tmp_path / NOTE, {"origin": {"flip": False}, "images": {}})
    assert [sample.name for sample in list_images(tmp_path)] == ["a"]
    assert [sample.name for sample in list_images(tmp_path / "overlays")] == ["a_overlay"], (
        "a folder of results given directly"
    )
