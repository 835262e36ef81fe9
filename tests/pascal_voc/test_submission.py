import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.files.images import read_ids, write_png
from pascal_voc import submission
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
        assert submission.main(["pack", str(predictions), str(archive), *root]) == 0
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
    assert submission.main(["pack", str(predictions), str(archives[0]), *root, "--competition", "comp5"]) == 0
    assert submission.main(["check", str(archives[0]), *root]) == 0


def test_every_fault_of_a_submission_is_told(
    predictions: Path, pascal_voc_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    (predictions / "2007_00000f.png").rename(predictions / "2007_00000z.png")
    write_png(predictions / "2007_00000g.png", np.full((30, 44), 255, np.uint8))
    write_png(predictions / "again" / "2007_00000g.png", np.zeros((3, 3, 3), np.uint8))
    archive = tmp_path / "a.tar.gz"
    told = error_of(submission.main, "pack", predictions, archive, "--root", pascal_voc_root)
    assert "missing: got no prediction of 1 of 2 images (2007_00000f)" in told
    assert "not in the split: got predictions of 1 image that the split's list lacks (2007_00000z)" in told
    assert "duplicates: got more than one prediction of 1 image (2007_00000g)" in told
    assert "colour:" in told
    assert "again/2007_00000g.png: got RGB" in told
    assert "index:" in told
    assert "2007_00000g.png: got 255" in told
    assert not archive.exists()


def test_faults_of_archives(predictions: Path, pascal_voc_root: Path, tmp_path: Path, error_of: Ending) -> None:
    root = ["--root", pascal_voc_root]
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in predictions.iterdir():
            tar.add(path, path.name)
    told = error_of(submission.main, "check", archive, *root)
    assert "elsewhere than in results/VOC2012/Segmentation/comp5_test_cls or" in told
    archive.write_bytes(archive.read_bytes()[:200])
    assert "no whole tar archive" in error_of(submission.main, "check", archive, *root)
    assert "no such folder" in error_of(submission.main, "check", tmp_path / "absent", *root)
    assert "ending in .tar.gz" in error_of(submission.main, "pack", predictions, tmp_path / "a.zip", *root)
    write_png(predictions / "2007_00000f.png", np.zeros((15, 22), np.uint8))
    (predictions / "2007_00000g.png").write_bytes(b"")
    told = error_of(submission.main, "check", predictions, *root)
    assert "got 22 x 15, expected 44 x 30" in told
    assert "damaged:" in told
