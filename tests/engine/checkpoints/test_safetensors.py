import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError
from engine.files.atomic import sha256

ABOUT = About("fcn8s", 2, "cityscapes", (0.1, 0.2, 0.3), (1.0, 0.5, 0.25), 3, 0.123456789)
WEIGHTS = {
    "z": torch.arange(6.0).view(2, 3),
    "a": torch.tensor(5),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "empty": torch.empty(0, 4),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoints.save_safetensors(tmp_path / "x.safetensors", WEIGHTS, ABOUT, ["road", "sky"])
    return tmp_path / "x.safetensors"


@pytest.mark.parametrize("about", [ABOUT, replace(ABOUT, benchmark=None, miou=None)])
def test_weights_and_metadata_come_back_as_they_were(tmp_path: Path, about: About) -> None:
    path = tmp_path / "x.safetensors"
    checkpoints.save_safetensors(path, WEIGHTS, about, ["road", "sky"])
    found = checkpoints.load(path)
    assert found.about == about
    assert found.more == {"classes": ["road", "sky"]}
    assert found.sha256 == sha256(path)
    assert found.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for number in range(5):
        checkpoints.save_safetensors(tmp_path / str(number), WEIGHTS, ABOUT, ["Straße", "sky"])
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert checkpoints.load(tmp_path / "0").more == {"classes": ["Straße", "sky"]}


def test_metadata_are_texts_for_other_programs(path: Path) -> None:
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["network"], metadata["benchmark"]) == ("pt", "fcn8s", "cityscapes")
    assert (metadata["format_version"], metadata["num_classes"]) == ("1", "2")
    assert json.loads(metadata["mean"]) == list(ABOUT.mean)
    assert json.loads(metadata["classes"]) == ["road", "sky"]


def test_tensors_that_share_memory_are_written_whole(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    checkpoints.save_safetensors(tmp_path / "x.safetensors", {"a": shared, "b": shared[1:3]}, ABOUT)
    assert checkpoints.load(tmp_path / "x.safetensors").weights["b"].tolist() == [1, 2]


def test_a_file_of_another_program_has_no_metadata(tmp_path: Path) -> None:
    """Whatever its name is."""
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "x.bin", {"format": "pt"})
    found = checkpoints.load(tmp_path / "x.bin")
    assert found.about is None
    assert list(found.weights) == ["a"]


@pytest.mark.parametrize("size", [0, 5, 8, 100, -1])
def test_a_truncated_file(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"^\S+: not a safetensors file, or damaged \(.+\); copy it again"):
        checkpoints.load(path)


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(InputError) as caught:
            checkpoints.load(path)
        assert len(caught.value.messages) == 1
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": torch.tensor([1.0, float("nan")])}, "NaN or infinite"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "are not weights of a network"),
        ({}, "without network weights"),
    ],
)
def test_tensors_are_verified_as_in_other_files(
    tmp_path: Path, weights: dict[str, torch.Tensor], expected: str
) -> None:
    path = tmp_path / "x.safetensors"
    checkpoints.save_safetensors(path, weights, ABOUT)
    with pytest.raises(InputError, match=expected):
        checkpoints.load(path)
