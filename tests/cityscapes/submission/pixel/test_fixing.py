"""`fix`: the faults that it fixes, and those that it refuses."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.labels import LABEL_ID_OF, TRAIN_ID_OF
from cityscapes.submission import check, fix, main, pack
from cityscapes.submission.pixel import evidence
from engine.errors import InputError
from engine.files.images import read_ids
from tests.cityscapes.drawn_submission import LABEL_IDS, TRAIN_IDS

Ids = npt.NDArray[Any]

STEMS = [f"{city}_000000_{frame:06d}" for city in ("berlin", "bonn") for frame in (19, 20)]


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


@pytest.fixture(autouse=True)
def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the size of the predictions here the official one."""
    monkeypatch.setattr(evidence, "IMAGE_SIZE", (32, 16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in STEMS:
        save(tmp_path / "old" / f"{stem}.png", LABEL_IDS)
    return tmp_path / "old"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_fixed(folder: Path, new: Path, root: Path) -> None:
    """Assert that the new folder passes the check and has the label ids, and that the old one is unchanged."""
    before = contents(folder) if folder.is_dir() else {"": folder.read_bytes()}
    report = fix(folder, new, root)
    assert report.remaining == ()
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


def as_half_size_palette(folder: Path) -> None:
    """The format in which Dilation writes its predictions of Cityscapes."""
    for path in folder.glob("*.png"):
        save(path, TRAIN_IDS[::2, ::2])
    as_palette(folder)


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
def test_what_can_be_fixed(spoil: Callable[[Path], None], folder: Path, root: Path, tmp_path: Path) -> None:
    spoil(folder)
    assert_fixed(folder, tmp_path / "new", root)


def test_void_becomes_unlabeled(folder: Path, root: Path, tmp_path: Path) -> None:
    void = LABEL_IDS.copy()
    void[0] = 255
    save(folder / f"{STEMS[0]}.png", void)
    assert fix(folder, tmp_path / "new", root).changes["255 to 0, unlabeled"] == 4
    assert read_ids(tmp_path / "new/berlin" / f"{STEMS[0]}.png")[0].tolist() == [0] * 32


def test_a_zip_is_fixed_without_being_unpacked(folder: Path, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as packed:
        for number, path in enumerate(sorted(folder.glob("*.png"))):
            packed.write(path, ("../" if number else "results\\") + path.name)
        packed.writestr("__MACOSX/._berlin_000000_000019.png", b"fork")
    assert_fixed(tmp_path / "old.zip", tmp_path / "new", root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "old", "old.zip"]


def test_processes_write_the_same(folder: Path, tmp_path: Path) -> None:
    as_pixels(train_ids)(folder)
    assert fix(folder, tmp_path / "one") == fix(folder, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("{}.png", b"hello", "not a PNG: got 1 file ("),
        ("{}.png", b"", "damaged: got 1 file ("),
        ("{}.png", np.arange(1536).reshape(16, 32, 3).astype(np.uint8), "colours: got 1 file ("),
        ("{}.png", np.full((16, 32), 300, np.uint16), "values above 255: got 1 file ("),
        ("{}.png", LABEL_IDS > 8, "bit depth: got 1 file ("),
        ("{}.png", np.full((16, 32), 77, np.uint8), "ids: got 1 file ("),
        ("0001.png", LABEL_IDS, "name: got 1 file (0001.png); include the name of the image"),
        (
            "again/{}.png",
            LABEL_IDS,
            "duplicates: got more than one prediction for 1 image, expected one prediction (",
        ),
    ],
)
def test_what_cannot_be_fixed(
    name: str, content: bytes | Ids, expected: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / name.format(STEMS[0])
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, content)
    assert main(["fix", str(folder), str(tmp_path / "new"), "--workers", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder}: cannot be fixed: {expected}")
    assert "; " in line
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old"]


def test_everything_that_cannot_be_fixed_is_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / f"{STEMS[0]}.png").write_bytes(b"")
    save(folder / f"{STEMS[1]}.png", np.full((16, 32), 77, np.uint8))
    save(folder / "0001.png", LABEL_IDS)
    assert main(["fix", str(folder), str(tmp_path / "new")]) == 2
    kinds = [line.split(": ")[3] for line in capsys.readouterr().err.splitlines()]
    assert kinds == ["damaged", "name", "ids"]


def test_remaining_faults_are_reported(
    folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / f"{STEMS[0]}.png").unlink()
    new = tmp_path / "new"
    assert main(["fix", str(folder), str(new), "--root", str(root), "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert [line.split(": ")[2] for line in printed.err.splitlines()] == ["missing"]
    assert printed.out == (
        f"renamed or moved: 3 files\nwrote 3 predictions to {new}\n"
        f"next: python -m cityscapes.submission check {new} --root {root}\n"
    )


@pytest.mark.parametrize("with_root", [True, False])
@pytest.mark.parametrize("spoil", [as_pixels(lambda ids: ids[::2, ::2]), as_half_size_palette])
def test_predictions_of_another_size_are_refused(
    spoil: Callable[[Path], None],
    with_root: bool,
    folder: Path,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(folder)
    options = ["--root", str(root)] if with_root else []
    assert main(["fix", str(folder), str(tmp_path / "new"), "--workers", "1", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder}: cannot be fixed: size: got 4 predictions of a different size than the")
    assert "(berlin_000000_000019.png: got 16 x 8, expected 32 x 16, " in line
    assert not (tmp_path / "new").exists()


def test_sizes_of_images_outside_the_root_are_compared_with_the_official_size(
    folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "IMAGE_SIZE", (64, 32))
    next(root.rglob(f"{STEMS[0]}*")).unlink()
    assert main(["fix", str(folder), str(tmp_path / "new"), "--root", str(root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "got 1 prediction of a different size than the official one, because --root does not have the image (" in line
    )


# The kind of the ids


def uniform(label_ids: Ids) -> Ids:
    """All train ids with the same frequency, unlike any street scene."""
    return (np.arange(label_ids.size).reshape(label_ids.shape) % 19).astype(np.uint8)


def plus_1(label_ids: Ids) -> Ids:
    return TRAIN_IDS + np.uint8(1)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (plus_1, "these are train ids plus 1 (berlin_000000_000019.png, "),
        (uniform, ": their frequencies match neither the label ids nor the train ids of street scenes ("),
        (np.zeros_like, "got only id 0: their freq"),
        (lambda ids: np.full_like(ids, 255), "got only id 255: their freq"),
    ],
)
def test_ids_of_unknown_meaning_are_refused(
    ids: Callable[[Ids], Ids], expected: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_pixels(ids)(folder)
    assert main(["fix", str(folder), str(tmp_path / "new"), "--workers", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert (
        "subtract 1 from every id except 0" if ids == plus_1 else "state their kind: --ids train or --ids label"
    ) in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("kind", "expected"), [("train", LABEL_ID_OF[uniform(LABEL_IDS)]), ("label", uniform(LABEL_IDS))]
)
def test_the_kind_of_ids_may_be_given(
    kind: Literal["train", "label"], expected: Ids, folder: Path, tmp_path: Path
) -> None:
    as_pixels(uniform)(folder)
    fix(folder, tmp_path / "new", ids=kind)
    assert (read_ids(tmp_path / "new/berlin" / f"{STEMS[0]}.png") == expected).all()


def test_ids_beyond_train_ids_are_not_converted_as_such(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ids: got 4 files \(berlin_000000_000019\.png: ids 20, 21, 22, 23, "):
        fix(folder, tmp_path / "new", ids="train")


def test_label_ids_of_a_short_training_stay_as_they_are(folder: Path, tmp_path: Path) -> None:
    """Road and building alone, with 255 for void or without it."""
    for void in (7, 255):
        few = np.where(LABEL_IDS == 7, 7, 11).astype(np.uint8)
        few[0, :3] = void
        for stem in STEMS:
            save(folder / f"{stem}.png", few)
        fix(folder, tmp_path / str(void))
        assert (read_ids(tmp_path / str(void) / "berlin" / f"{STEMS[0]}.png") == np.where(few == 255, 0, few)).all()


def test_train_ids_among_label_ids_are_refused(folder: Path, tmp_path: Path) -> None:
    save(folder / f"{STEMS[2]}.png", TRAIN_IDS)
    with pytest.raises(
        InputError, match=r"the kind of ids in 1 file differs from the other files \(bonn_000000_000019\.png\)"
    ):
        fix(folder, tmp_path / "new")


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """Ground truth of two val scenes, half of it terrain, which is more frequent than usual."""
    truth = LABEL_ID_OF[np.where(np.arange(512).reshape(16, 32) % 2, 9, TRAIN_IDS)]
    for stem in ("lindau_000000_000019", "lindau_000001_000019"):
        save(tmp_path / f"data/gtFine/val/lindau/{stem}_gtFine_labelIds.png", truth)
    return tmp_path / "data"


@pytest.mark.parametrize("more", [0, 1])
def test_the_ground_truth_decides_if_it_exists(
    more: int, val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = read_ids(val / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png")
    old, new = tmp_path / "old", tmp_path / "new"
    for number in range(2):
        save(old / f"lindau_00000{number}_000019.png", TRAIN_ID_OF[truth] + np.uint8(more))
    with pytest.raises(InputError, match="match neither the label ids nor the train ids"):
        fix(old, new)
    code = main(["fix", str(old), str(new), "--root", str(val), "--workers", "1"])
    printed = capsys.readouterr()
    if more:
        assert code == 2
        assert "these are train ids plus 1" in printed.err
        return
    assert code == 0
    assert (read_ids(new / "lindau/lindau_000000_000019.png") == truth).all()
    assert printed.out.endswith(f"next: python -m cityscapes.scoring --predictions {new} --split val --root {val}\n")


def test_ground_truth_that_agrees_with_no_kind_of_ids_is_reported(val: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    save(old / "lindau_000000_000019.png", np.full((16, 32), 4, np.uint8))
    with pytest.raises(
        InputError, match=r"the agreement with the ground truth is 0\.0 % as label ids, .* % as train ids, "
    ):
        fix(old, tmp_path / "new", val)


def test_existing_files_are_never_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/mine").touch()
    for new in (tmp_path / "new", tmp_path / "new/mine"):
        with pytest.raises(InputError, match="already exists; choose a new folder"):
            fix(folder, new)
    for new in (folder / "new", folder):
        with pytest.raises(InputError, match=r"is inside|already exists"):
            fix(folder, new)


def test_nothing_to_fix(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/notes.txt").touch()
    with pytest.raises(InputError, match="got no PNG file"):
        fix(tmp_path / "old", tmp_path / "new")


def test_a_failed_write_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fail_named(path: Path, _: Ids) -> None:
        raise InputError(f"{path}: no room")

    monkeypatch.setattr("cityscapes.submission.pixel.fixing.write_png", fail)
    with pytest.raises(OSError, match="No space"):
        fix(folder, tmp_path / "new")
    monkeypatch.setattr("cityscapes.submission.pixel.fixing.write_png", fail_named)
    with pytest.raises(InputError, match=rf"^{tmp_path}/new/berlin/berlin_000000_000019\.png: no room$"):
        fix(folder, tmp_path / "new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old"]


def test_the_manifest_lists_the_packed_files(folder: Path, root: Path, tmp_path: Path) -> None:
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
