from pathlib import Path

from engine.inference.inputs import list_images


def test_images_that_differ_in_their_endings_keep_apart(tmp_path: Path) -> None:
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
