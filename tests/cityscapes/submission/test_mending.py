"""`fix`: what it mends, and what it refuses."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.labels import LABEL_ID_OF
from cityscapes.submission import check, fix, main, pack
from engine.errors import InputError
from engine.files.images import read_ids

Ids = npt.NDArray[Any]

SIZE = (32, 16)
STEMS = [f"{city}_000000_{frame:06d}" for city in ("berlin", "bonn") for frame in (19, 20)]
TRAIN_IDS = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) % 19).astype(np.uint8)
LABEL_IDS = LABEL_ID_OF[TRAIN_IDS]


def save(path: Path, pixels: Ids) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for stem in STEMS:
        city = stem.split("_", maxsplit=1)[0]
        save(tmp_path / "data/leftImg8bit/test" / city / f"{stem}_leftImg8bit.png", np.zeros((16, 32, 3), np.uint8))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in STEMS:
        save(tmp_path / "old" / f"{stem}.png", LABEL_IDS)
    return tmp_path / "old"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_mended(folder: Path, new: Path, root: Path) -> None:
    """The new folder passes the check and holds the label ids; the old one is as before."""
    before = contents(folder) if folder.is_dir() else {"": folder.read_bytes()}
    mended = fix(folder, new, root)
    assert mended.remaining == ()
    assert check(new, root).ok
    for stem in STEMS:
        np.testing.assert_array_equal(read_ids(new / stem.split("_", maxsplit=1)[0] / f"{stem}.png"), LABEL_IDS)
    assert len(contents(new)) == len(STEMS)
    assert (contents(folder) if folder.is_dir() else {"": folder.read_bytes()}) == before


def as_palette(folder: Path) -> None:
    for path in folder.glob("*.png"):
        image = Image.open(path).convert("L")
        image.putpalette(bytes(range(255, -1, -1)) * 3)
        image.save(path)


def as_pixels(change: Callable[[Ids], Ids]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for path in folder.glob("*.png"):
            save(path, change(LABEL_IDS))

    return spoil


def as_names(change: Callable[[str], str]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for stem in STEMS:
            path = folder / change(stem)
            path.parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{stem}.png").rename(path)

    return spoil


def with_colours(folder: Path) -> None:
    for stem in STEMS:
        save(folder / f"{stem}_color.png", np.arange(1536).reshape(16, 32, 3).astype(np.uint8))


def train_ids(label_ids: Ids) -> Ids:
    return TRAIN_IDS


@pytest.mark.parametrize(
    "spoil",
    [
        as_pixels(train_ids),
        as_palette,
        as_pixels(lambda ids: np.repeat(ids[..., None], 3, 2)),
        as_pixels(lambda ids: np.dstack([ids, ids, ids, np.full_like(ids, 255)])),
        as_pixels(lambda ids: np.dstack([ids, np.full_like(ids, 255)])),
        as_pixels(lambda ids: ids.astype(np.uint16)),
        as_names("{}_leftImg8bit.png".format),
        as_names("{}_gtFine_labelTrainIds.png".format),
        as_names("{}.PNG".format),
        as_names("a/b c/pred_{}.png".format),
        with_colours,
    ],
)
def test_what_can_be_mended(spoil: Callable[[Path], None], folder: Path, root: Path, tmp_path: Path) -> None:
    spoil(folder)
    assert_mended(folder, tmp_path / "new", root)


def test_void_becomes_unlabeled(folder: Path, root: Path, tmp_path: Path) -> None:
    void = LABEL_IDS.copy()
    void[0] = 255
    save(folder / f"{STEMS[0]}.png", void)
    assert fix(folder, tmp_path / "new", root).changes["255 to 0, unlabeled"] == 4
    assert read_ids(tmp_path / "new/berlin" / f"{STEMS[0]}.png")[0].tolist() == [0] * 32


def test_a_zip_is_mended_without_being_unpacked(folder: Path, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as packed:
        for number, path in enumerate(sorted(folder.glob("*.png"))):
            packed.write(path, ("../" if number else "results\\") + path.name)
        packed.writestr("__MACOSX/._berlin_000000_000019.png", b"fork")
    assert_mended(tmp_path / "old.zip", tmp_path / "new", root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "old", "old.zip"]


def test_processes_write_the_same(folder: Path, tmp_path: Path) -> None:
    as_pixels(train_ids)(folder)
    assert fix(folder, tmp_path / "one") == fix(folder, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("{}.png", b"hello", "no PNG: got 1 file ("),
        ("{}.png", b"", "damaged: got 1 file ("),
        ("{}.png", np.arange(1536).reshape(16, 32, 3).astype(np.uint8), "colours: got 1 file ("),
        ("{}.png", np.full((16, 32), 300, np.uint16), "values above 255: got 1 file ("),
        ("{}.png", LABEL_IDS > 8, "bit depth: got 1 file ("),
        ("{}.png", np.full((16, 32), 77, np.uint8), "ids: got 1 file ("),
        ("0001.png", LABEL_IDS, "name: got 1 file (0001.png); put the name of the image into it"),
        ("again/{}.png", LABEL_IDS, "several: got 1 file (again/"),
    ],
)
def test_what_cannot_be_mended(
    name: str, content: bytes | Ids, expected: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / name.format(STEMS[0])
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, content)
    assert main(["fix", str(folder), str(tmp_path / "new"), "--workers", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder}: cannot be mended: {expected}")
    assert "; " in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old"]


def test_everything_that_cannot_be_mended_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / f"{STEMS[0]}.png").write_bytes(b"")
    save(folder / f"{STEMS[1]}.png", np.full((16, 32), 77, np.uint8))
    save(folder / "0001.png", LABEL_IDS)
    assert main(["fix", str(folder), str(tmp_path / "new")]) == 2
    kinds = [line.split(": ")[3] for line in capsys.readouterr().err.splitlines()]
    assert kinds == ["damaged", "name", "ids"]


def test_what_is_left_is_told(folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / f"{STEMS[0]}.png").unlink()
    save(folder / f"{STEMS[1]}.png", LABEL_IDS[:8, :16])
    assert main(["fix", str(folder), str(tmp_path / "new"), "--root", str(root), "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert [line.split(": ")[2] for line in printed.err.splitlines()] == ["missing", "size"]
    assert printed.out == (
        "named and placed anew: 3 files\n"
        f"wrote 3 predictions to {tmp_path / 'new'}; check them before they are packed\n"
    )


def test_nothing_is_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/mine").touch()
    for new in (tmp_path / "new", tmp_path / "new/mine"):
        with pytest.raises(InputError, match="is there already; choose a new folder"):
            fix(folder, new)
    for new in (folder / "new", folder):
        with pytest.raises(InputError, match=r"lies within|is there already"):
            fix(folder, new)


def test_nothing_to_mend(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/notes.txt").touch()
    with pytest.raises(InputError, match="got no PNG of an image"):
        fix(tmp_path / "old", tmp_path / "new")


def test_a_failed_write_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cityscapes.submission.mending.write_png", fail)
    with pytest.raises(OSError, match="No space"):
        fix(folder, tmp_path / "new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old"]


def test_a_manifest_names_what_is_packed(folder: Path, root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "made.zip"
    pack(folder, archive, root, made_with={"weights": "0f" * 32, "commit": "abc", "options": {"batch_size": 2}})
    manifest = json.loads((tmp_path / "made.zip.manifest.json").read_text())
    assert manifest["made_with"]["options"] == {"batch_size": 2}
    assert manifest["zip"] == {
        "name": "made.zip",
        "bytes": archive.stat().st_size,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents(folder).items())
    }
