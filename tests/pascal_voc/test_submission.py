import io
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.files.images import read_ids, write_png
from pascal_voc import layout, submission
from pascal_voc.labels import PALETTE
from tests.conftest import Ending


@pytest.fixture
def predictions(pascal_voc_root: Path, tmp_path: Path) -> Path:
    for letter in "fg":
        write_png(tmp_path / "p" / f"2007_00000{letter}.png", np.arange(1320, dtype=np.uint8).reshape(30, 44) % 21)
    return tmp_path / "p"


def test_the_archive(predictions: Path, pascal_voc_root: Path, tmp_path: Path) -> None:
    root = ["--root", str(pascal_voc_root)]
    assert submission.main(["check", str(predictions), *root]) == 0
    archives = [tmp_path / "a.tar.gz", tmp_path / "b.tar.gz"]
    for archive in archives:
        assert submission.main(["pack", str(predictions), str(archive), *root, "--subset"]) == 0
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as tar:
        assert tar.getnames() == [f"results/VOC2012/Segmentation/comp6_test_cls/2007_00000{x}.png" for x in "fg"]
        file = tar.extractfile(tar.getnames()[0])
        assert file is not None
        image = Image.open(io.BytesIO(file.read()))
    palette = image.getpalette()
    assert image.mode == "P"
    assert palette is not None
    assert palette[:63] == PALETTE[:21].ravel().tolist()
    assert np.array_equal(np.asarray(image), read_ids(predictions / "2007_00000f.png"))
    assert submission.main(["pack", str(predictions), str(archives[0]), *root, "--competition", "comp5"]) == 1
    assert submission.main(["check", str(archives[0]), *root]) == 0


@pytest.mark.parametrize(
    ("official", "longer_side", "deviation"),
    [
        ({"VOC2012": {"test": 2}}, 44, ""),
        ({"VOC2012": {"test": 5}}, 44, "got 2 images, test of VOC2012 has 5"),
        ({"VOC2012": {"test": 2}}, 500, "the largest image has 44 pixels on its longer side, expected 500"),
        ({}, 44, "the official number of images of test in VOC2012 is not known, got 2"),
    ],
    ids=["official", "half-complete", "shrunk", "another year"],
)
def test_only_the_official_test_set_is_for_the_server(
    official: dict[str, dict[str, int]],
    longer_side: int,
    deviation: str,
    predictions: Path,
    pascal_voc_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(layout, "OFFICIAL", official)
    monkeypatch.setattr(layout, "LONGER_SIDE", longer_side)
    archive = tmp_path / "a.tar.gz"
    for action, code in (
        (["check", predictions], 0),
        (["pack", predictions, archive], 1 if deviation else 0),
        (["pack", predictions, archive, "--subset"], 0),
        (["check", archive], 0),
    ):
        assert submission.main([*map(str, action), "--root", str(pascal_voc_root)]) == code
        printed = capsys.readouterr()
        first, *_, last = printed.out.splitlines()
        assert first == (
            "not for the server: 2 predictions, one for each image of test; that is not the official split: "
            f"{deviation}"
            if deviation
            else "ok: 2 predictions, one for each image of test"
        )
        assert last.startswith("next: ")
        assert ("upload" in printed.out + printed.err) == (not deviation and action != ["check", predictions])
        assert ("--subset accepts that" in printed.err) == bool(code)


def test_hostile_files_are_refused_in_short_time(
    predictions: Path, pascal_voc_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("results/VOC2012/Segmentation/comp6_test_cls/2007_00000f.png")
        info.size = 1 << 40
        tar.addfile(info)
    errors = error_of(submission.main, "check", archive, "--root", pascal_voc_root)
    assert "2007_00000f.png has 1099511627776 bytes, expected at most 20000 PNGs of at most 16 MiB" in errors
    content = bytearray((predictions / "2007_00000f.png").read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    (predictions / "2007_00000f.png").write_bytes(content)
    (predictions / "2007_00000g.png").unlink()
    os.mkfifo(predictions / "2007_00000g.png")
    errors = error_of(submission.main, "check", predictions, "--root", pascal_voc_root)
    assert "2007_00000g.png: got a named pipe, expected a file" in errors


def test_every_fault_of_a_submission_is_reported(
    predictions: Path, pascal_voc_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    (predictions / "2007_00000f.png").rename(predictions / "2007_00000z.png")
    write_png(predictions / "2007_00000g.png", np.full((30, 44), 255, np.uint8))
    write_png(predictions / "again" / "2007_00000g.png", np.zeros((3, 3, 3), np.uint8))
    archive = tmp_path / "a.tar.gz"
    errors = error_of(submission.main, "pack", predictions, archive, "--root", pascal_voc_root)
    assert "missing: got no prediction for 1 of 2 images (2007_00000f)" in errors
    assert "not in the split: got predictions for 1 image outside the list of the split (2007_00000z)" in errors
    assert "duplicates: got more than one prediction for 1 image (2007_00000g)" in errors
    assert "colour:" in errors
    assert "again/2007_00000g.png: got RGB" in errors
    assert "index:" in errors
    assert "2007_00000g.png: got 255" in errors
    assert not archive.exists()


def test_faults_of_archives(predictions: Path, pascal_voc_root: Path, tmp_path: Path, error_of: Ending) -> None:
    root = ["--root", pascal_voc_root]
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in predictions.iterdir():
            tar.add(path, path.name)
    errors = error_of(submission.main, "check", archive, *root)
    assert "outside results/VOC2012/Segmentation/comp5_test_cls or" in errors
    archive.write_bytes(archive.read_bytes()[:200])
    assert "not a complete tar archive" in error_of(submission.main, "check", archive, *root)
    archive.write_bytes(b"no archive at all")
    assert error_of(submission.main, "check", archive, *root).count("\n") == 1
    assert "no such folder" in error_of(submission.main, "check", tmp_path / "absent", *root)
    assert "ending in .tar.gz" in error_of(submission.main, "pack", predictions, tmp_path / "a.zip", *root)
    write_png(predictions / "2007_00000f.png", np.zeros((15, 22), np.uint8))
    (predictions / "2007_00000g.png").write_bytes(b"")
    errors = error_of(submission.main, "check", predictions, *root)
    assert "got 22 x 15, expected 44 x 30" in errors
    assert "damaged:" in errors
