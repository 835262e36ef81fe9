import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import checkpoints
from engine.checkpoints import FORMAT_VERSION, About
from engine.errors import InputError
from engine.files.atomic import sha256
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD

ABOUT = About("fcn8s", 19, "cityscapes", (0.0, 0.1, 0.2), (1.0, 0.5, 1.0), 3, 0.5)


def test_checkpoints_are_read_back_unchanged(tmp_path: Path) -> None:
    weights = {"a": torch.arange(3.0)}
    checkpoints.save(tmp_path / "x.pth", weights, ABOUT, row=None, step=5)
    content = checkpoints.load(tmp_path / "x.pth")
    assert content.about == ABOUT
    assert torch.equal(content.weights["a"], weights["a"])
    assert content.more == {"row": None, "step": 5}
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.parametrize("nest", [None, "model_state_dict", "state_dict", "model"])
def test_state_dicts_of_other_programs(tmp_path: Path, nest: str | None) -> None:
    state = {"module.a": torch.ones(2)}
    torch.save(state if nest is None else {nest: state, "epoch": 3}, tmp_path / "x.pth")
    assert list(checkpoints.load(tmp_path / "x.pth").weights) == ["a"]


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip", b"\x80\x02}q\x00."])
def test_a_file_that_is_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        checkpoints.load(path)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": Malicious()}, tmp_path / "x.pth")
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        checkpoints.load(tmp_path / "x.pth")
    assert capsys.readouterr().out == ""


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "x.pth", {"a": torch.ones(1000)}, ABOUT)
    whole = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        checkpoints.load(tmp_path / "x.pth")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        checkpoints.load(tmp_path / "x.pth")
    with pytest.raises(InputError, match="this is a folder"):
        checkpoints.load(tmp_path)


def test_metadata_of_untrained_weights() -> None:
    about = About.untrained("fcn8s", 19, None)
    assert about == About("fcn8s", 19, None, IMAGENET_MEAN, IMAGENET_STD, 0, None)


# Files of earlier and of later versions


def written(path: Path, *, about: dict[str, Any] | None = None, lacking: str = "", **changes: Any) -> Path:
    """A checkpoint with changes in its metadata and its other content."""
    checkpoints.save(path, {"a": torch.ones(2)}, ABOUT)
    content: dict[str, Any] = torch.load(path, weights_only=True)
    content = {**content, **changes, "about": {**content["about"], **(about or {})}}
    content["about"].pop(lacking, None)
    torch.save(content, path)
    return path


def test_a_file_contains_its_version(tmp_path: Path) -> None:
    assert torch.load(written(tmp_path / "x.pth"), weights_only=True)["format_version"] == FORMAT_VERSION


def test_a_file_without_a_version_has_the_first_one(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pth")
    content = torch.load(path, weights_only=True)
    del content["format_version"]
    torch.save(content, path)
    found = checkpoints.load(path)
    assert found.about == ABOUT
    assert found.version == 1


def test_fields_of_a_later_version_are_named_and_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "x.pth", about={"colour": "red", "size": 3})
    assert checkpoints.load(path).about == ABOUT
    assert capsys.readouterr().err == f"note: {path}: ignored colour, size, which this version does not know\n"


def test_a_newer_format_is_used_as_far_as_it_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "x.pth", format_version=FORMAT_VERSION + 1)
    assert checkpoints.load(path).about == ABOUT
    assert f"note: {path}: of format version {FORMAT_VERSION + 1}" in capsys.readouterr().err


def test_a_file_of_this_version_gets_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.load(written(tmp_path / "x.pth"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (FORMAT_VERSION, "the file is damaged, or another program wrote it"),
        (7, "a newer version of this program wrote"),
    ],
)
def test_a_file_without_a_required_field(tmp_path: Path, version: int, remedy: str) -> None:
    path = written(tmp_path / "x.pth", lacking="num_classes", format_version=version)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}: lacks num_classes; .*{remedy}"):
        checkpoints.load(path)


@pytest.mark.parametrize("version", ["2", None, True, 1.5])
def test_a_version_that_is_not_an_integer(tmp_path: Path, version: object) -> None:
    with pytest.raises(InputError, match="expected an integer"):
        checkpoints.load(written(tmp_path / "x.pth", format_version=version))


# Damage


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "x.pth", {"a": torch.ones(3)}, ABOUT)
    assert checkpoints.load(tmp_path / "x.pth").sha256 == sha256(tmp_path / "x.pth")


def test_a_changed_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """In the padding between the records of the archive, a changed byte has no effect."""
    path = tmp_path / "x.pth"
    weights = {"a": torch.arange(40.0), "b": torch.arange(5)}
    checkpoints.save(path, weights, ABOUT)
    whole = path.read_bytes()
    messages = []
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = checkpoints.load(path)
        except InputError as error:
            messages.append(error.messages)
        else:
            assert found.about == ABOUT
            assert all(map(torch.equal, found.weights.values(), weights.values()))
    assert len(messages) > len(whole) / 7 / 4
    assert all(len(lines) == 1 and len(lines[0]) < 600 for lines in messages)


def test_a_record_that_is_marked_as_a_folder(tmp_path: Path) -> None:
    """torch.load leaves its tensor uninitialised, without an error."""
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(3)}, path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        listing = archive.start_dir
    place = content.index(b"/data/0", listing)
    entry = content.rindex(b"PK\x01\x02", listing, place)
    content[entry + 38] |= 0x10
    path.write_bytes(content)
    with pytest.raises(InputError, match="marked as a folder"):
        checkpoints.load(path)


def test_a_checkpoint_that_ends_too_early(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    checkpoints.save(path, {"a": torch.ones(1000)}, ABOUT)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a PyTorch checkpoint, or damaged"):
            checkpoints.load(path)


def test_files_from_before_pytorch_1_6_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(100.0)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(checkpoints.load(path).weights["a"], torch.arange(100.0))
    whole = path.read_bytes()
    for length in range(0, len(whole), 31):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a PyTorch checkpoint, or damaged"):
            checkpoints.load(path)


def test_an_archive_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert list(checkpoints.load(tmp_path / "x.pth").weights) == ["a"]


def test_archives_that_torch_never_writes(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "x.pth")
    for compression, doubled, message in ((8, False, "compressed"), (0, True, "the same name"), (0, False, None)):
        with zipfile.ZipFile(tmp_path / "x.pth") as old, zipfile.ZipFile(tmp_path / "y.pth", "w", compression) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
            if doubled:
                with warnings.catch_warnings(action="ignore"):
                    new.writestr(name, b"another")
        if message is None:
            checkpoints.load(tmp_path / "y.pth")
        else:
            with pytest.raises(InputError, match=message):
                checkpoints.load(tmp_path / "y.pth")


@pytest.mark.parametrize("pickled", [b"\x80\x02", b"abc\n", b"(((("])
def test_a_pickle_that_is_cut_off(tmp_path: Path, pickled: bytes) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as old, zipfile.ZipFile(tmp_path / "y.pth", "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    with pytest.raises(InputError, match="not a PyTorch checkpoint, or damaged"):
        checkpoints.load(tmp_path / "y.pth")


def test_a_whole_network_is_refused_with_what_to_save(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear.*save\(network\.state_dict") as caught:
        checkpoints.load(tmp_path / "x.pth")
    assert "weights_only" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(3)}, path)
    load = torch.load

    def changing(*args: Any, **kwargs: Any) -> Any:
        with path.open("ab") as file:
            file.write(b"more")
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", changing)
    with pytest.raises(InputError, match="changed while it was read"):
        checkpoints.load(path)
