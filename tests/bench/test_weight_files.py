from pathlib import Path

import pytest
import torch

from bench import tiny, weight_files
from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError

ABOUT = About(tiny.NAME, 11, "camvid", (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), 7, 0.5)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "run" / "best.pth"
    state = tiny.build(11).state_dict()
    state["norm.running_var"][0] = 1e6  # beyond float16
    state["norm.num_batches_tracked"] += 70_000
    checkpoints.save(path, state, ABOUT)
    return path


def test_split_weights_are_joined_again(checkpoint: Path, tmp_path: Path) -> None:
    parts = weight_files.split(checkpoint, tmp_path, "a-seed0.pth", most=8, largest=2000)
    assert len(parts) > 2
    assert parts[0].name == f"a-seed0.pth.1of{len(parts)}"
    assert all(path.stat().st_size <= 2000 for path in parts)
    (joined,) = weight_files.join(tmp_path)
    assert joined == tmp_path / "a-seed0.pth"
    content, original = checkpoints.load(joined), checkpoints.load(checkpoint)
    assert content.about == ABOUT
    for name, value in original.weights.items():
        assert content.weights[name].dtype == value.dtype
        torch.testing.assert_close(content.weights[name], value, rtol=1e-3, atol=1e-6)


def test_small_weights_are_one_file(checkpoint: Path, tmp_path: Path) -> None:
    assert [path.name for path in weight_files.split(checkpoint, tmp_path, "a.pth", most=1)] == ["a.pth.1of1"]
    assert weight_files.join(tmp_path) == [tmp_path / "a.pth"]


def test_nothing_is_written_if_it_would_be_too_many_files(checkpoint: Path, tmp_path: Path) -> None:
    assert weight_files.split(checkpoint, tmp_path, "a.pth", most=2, largest=2000) == []
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_missing_part_is_reported(checkpoint: Path, tmp_path: Path) -> None:
    weight_files.split(checkpoint, tmp_path, "a.pth", most=8, largest=2000)[1].unlink()
    with pytest.raises(InputError, match=r"a\.pth\.2of\d: no such file"):
        weight_files.join(tmp_path)


def test_a_folder_without_parts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no parts of weights"):
        weight_files.join(tmp_path)
