import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from engine.cli.command import command
from engine.errors import InputError
from engine.files.atomic import replacing, require_writable, require_writable_file, write_json, write_text
from engine.files.images import image_size, note_of, open_image, read_ids, read_image, write_png


def test_a_file_is_complete_or_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["a.txt"]  # noqa: PTH208
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write here"):
        require_writable(tmp_path / "file" / "folder")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_written_ids_are_read_back_unchanged(tmp_path: Path, dtype: type[np.uint8 | np.uint16]) -> None:
    ids: npt.NDArray[Any] = (np.arange(200).reshape(10, 20) * (1 if dtype is np.uint8 else 300)).astype(dtype)
    write_png(tmp_path / "a.png", ids, notes={"Software": "test"})
    assert np.array_equal(read_ids(tmp_path / "a.png"), ids)
    assert read_ids(tmp_path / "a.png").dtype == dtype
    assert image_size(tmp_path / "a.png") == (20, 10)
    assert note_of(tmp_path / "a.png", "Software") == "test"


def test_ids_of_a_palette_image_are_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[3, 7]], np.uint8)).convert("P")
    image.putpalette([255] * 768)
    image.save(tmp_path / "a.png")
    assert read_ids(tmp_path / "a.png").tolist() == [[3, 7]]
    assert note_of(tmp_path / "a.png", "Software") is None


def test_a_colour_image_is_not_read_as_ids(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert read_image(tmp_path / "a.png").shape == (4, 4, 3)
    with pytest.raises(InputError, match="expected one channel of ids, got an image of mode RGB"):
        read_ids(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"hello", r"the file \(5 bytes\) is not an image"), (None, "no such file")],
)
def test_a_file_that_is_not_an_image(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_image(path)
    with pytest.raises(InputError):
        image_size(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_image(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.png"
    write_png(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="damaged image"):
        open_image(path)


def test_commands_end_with_a_message_and_a_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def ending(error: BaseException) -> int:
        @command
        def main(argv: object = None) -> int:
            raise error

        return main([])

    assert ending(InputError("one", "two")) == 2
    assert capsys.readouterr().err == "error: one\nerror: two\n"
    assert ending(PermissionError(13, "Permission denied", "a.txt")) == 2
    assert capsys.readouterr().err == "error: a.txt: Permission denied\n"
    assert ending(KeyboardInterrupt()) == 130
    with pytest.raises(ZeroDivisionError):
        ending(ZeroDivisionError())


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": math.nan, "b": [1.5, math.inf, None], "c": {"d": (1, -math.inf)}})
    text = " ".join((tmp_path / "a.json").read_text().split())
    assert text == '{ "a": null, "b": [ 1.5, null, null ], "c": { "d": [ 1, null ] } }'


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failed_write_names_the_file_and_keeps_the_older_one(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    reason = os.strerror(number)
    with pytest.raises(InputError) as raised, replacing(path):
        raise OSError(number, reason)
    (message,) = raised.value.messages
    assert message.startswith(f"{path}: cannot write it ({reason}); an older file of that name is kept. ")
    assert [other.name for other in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_name_that_is_too_long_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 245}.json"
    with pytest.raises(InputError, match=r"aaa.json: cannot write it .*File name too long.*Give a shorter name"):
        write_text(path, "")
    with pytest.raises(InputError, match=r"aaa.json: cannot write it .*File name too long.*give another name"):
        require_writable_file(path)


def test_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    gone = tmp_path / f".a.json.{2**22 + 1}.part"  # beyond the numbers that Linux gives
    alive, other = tmp_path / f".a.json.{os.getppid()}.part", tmp_path / f".b.json.{2**22 + 1}.part"
    for part in (gone, alive, other):
        part.touch()
    require_writable_file(path)
    assert not gone.exists()
    assert alive.exists()
    assert other.exists()
    assert not path.exists()
