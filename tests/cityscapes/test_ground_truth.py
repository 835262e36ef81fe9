import shutil
from pathlib import Path

import numpy as np
import pytest

import generate_gt
from cityscapes import layout
from cityscapes.labels import COLOR_OF, TRAIN_ID_OF
from cityscapes.layout import Scene
from engine.images import read_ids, read_image, write_png


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of the demo's annotations, to be changed."""
    shutil.copytree(demo_root / "gtFine", tmp_path / "gtFine")
    return tmp_path


def scenes(root: Path) -> list[Scene]:
    return [scene for split in ("train", "val") for scene in layout.annotated_scenes(root, split)]


def test_draws_every_mask(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(root), "--instance_ids", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    assert "7 scenes drawn, 0 were up to date, 0 faulty" in printed
    assert "(100 %) in 7 scenes" in printed
    for scene in scenes(root):
        label_ids = read_ids(scene.official_mask(root, "labelIds"))
        assert np.array_equal(read_ids(scene.generated_mask(root, "labelId")), label_ids)
        assert np.array_equal(read_ids(scene.generated_mask(root, "trainId")), TRAIN_ID_OF[label_ids])
        assert np.array_equal(read_image(scene.generated_mask(root, "color")), COLOR_OF[label_ids])
        instance_ids = read_ids(scene.generated_mask(root, "instanceId"))
        assert instance_ids.dtype == np.uint16
        assert np.array_equal(instance_ids, read_ids(scene.official_mask(root, "instanceIds")))
    assert not (root / "generated_gt" / "test").exists()


def test_the_number_of_workers_changes_nothing(root: Path) -> None:
    def generated(workers: int) -> dict[Path, bytes]:
        assert generate_gt.main(["--root", str(root), "--redo", "--workers", str(workers)]) == 0
        return {path: path.read_bytes() for path in (root / "generated_gt").rglob("*.png")}

    assert generated(1) == generated(3)


def test_skips_what_is_up_to_date(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate_gt.main(["--root", str(root)])
    first, *others = scenes(root)
    first.generated_mask(root, "color").unlink()
    untouched = others[0].generated_mask(root, "color").stat().st_mtime_ns
    capsys.readouterr()
    assert generate_gt.main(["--root", str(root)]) == 0
    assert "1 scenes drawn, 6 were up to date" in capsys.readouterr().out
    assert first.generated_mask(root, "color").is_file()
    assert others[0].generated_mask(root, "color").stat().st_mtime_ns == untouched


def test_official_names_for_other_tools(root: Path) -> None:
    first, second, *_ = scenes(root)
    official = second.official_mask(root, "labelIds").read_bytes()
    first.official_mask(root, "labelIds").unlink()
    assert generate_gt.main(["--root", str(root), "--official_names"]) == 0
    for kind in ("labelIds", "labelTrainIds", "color"):
        assert first.official_mask(root, kind).is_file()
        assert second.official_mask(root, kind).is_file()
    assert second.official_mask(root, "labelIds").read_bytes() == official, "masks of the data set are kept"


def test_our_own_masks_are_not_taken_for_official_ones(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for scene in scenes(root):
        scene.official_mask(root, "labelIds").unlink()
    for _ in range(2):
        assert generate_gt.main(["--root", str(root), "--official_names"]) == 0
        assert "agreement" not in capsys.readouterr().out


def test_reports_where_masks_differ(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scenes(root)[0].official_mask(root, "labelIds")
    mask = read_ids(path).copy()
    assert mask[100, 128] == 7
    mask[100, 128] = 11
    write_png(path, mask)
    assert generate_gt.main(["--root", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "(99.9996 %) in 7 scenes" in printed
    assert f"{scenes(root)[0].stem}: 1 pixels differ" in printed


def test_lists_every_faulty_file_and_draws_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, unknown, truncated, *_ = scenes(root)
    broken.polygons(root).write_text("{")
    unknown.polygons(root).write_text(unknown.polygons(root).read_text().replace('"road"', '"raod"'))
    mask = truncated.official_mask(root, "labelIds")
    mask.write_bytes(mask.read_bytes()[:-40])
    assert generate_gt.main(["--root", str(root), "--workers", "2"]) == 2
    printed = capsys.readouterr()
    assert "4 scenes drawn, 0 were up to date, 3 faulty" in printed.out
    assert f"{broken.stem}_gtFine_polygons.json: broken JSON" in printed.err
    assert f"{unknown.stem}_gtFine_polygons.json: object" in printed.err
    assert "unknown label 'raod'" in printed.err
    assert f"{mask}: damaged image" in printed.err


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_no_data(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_gt.main(["--root", str(tmp_path / folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "python -m cityscapes.demo" in error


def test_no_polygons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gtFine").mkdir()
    assert generate_gt.main(["--root", str(tmp_path)]) == 2
    assert "unpack gtFine_trainvaltest.zip" in capsys.readouterr().err
