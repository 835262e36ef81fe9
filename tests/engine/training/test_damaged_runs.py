"""Damaged files of a run give one message, or a note if nothing depends on them; never a traceback."""

import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import InputError
from engine.training.run import Run
from tests.engine.training.test_trainer import Scores, rows, saved, stopped_within_an_epoch, training

BROKEN = {
    "empty": b"",
    "zero bytes": b"\0\0\0",
    "binary": b"\x89PNG\r\n\xff\xfe",
    "null": b"null",
    "number": b"42",
    "text": b"hello",
    "open brace": b"{",
    "open list": b"[1, [",
    "deep": b"[" * 3000,
    "digits": b"9" * 5000,
}


def started(folder: Path) -> Run:
    run = Run(folder)
    run.start({"rate": 0.1}, set())
    (folder / "best.pth").touch()  # a run that was begun before
    return run


def test_settings_that_cannot_be_compared(tmp_path: Path) -> None:
    started(tmp_path)
    more = {"alias": b"a: &a 1\nb: *a", "doubled": b"a: 1\na: 2", "list": b"a: [1]"}
    for kind, content in {**BROKEN, **more}.items():
        (tmp_path / "config.yaml").write_bytes(content)
        with pytest.raises(InputError, match=r"config\.yaml: damaged.*remove the file to resume") as caught:
            started(tmp_path)
        assert len(caught.value.messages) == 1, kind
        assert len(str(caught.value)) < 600, kind
        assert (tmp_path / "config.yaml").read_bytes() == content, "kept as it is"


def test_options_missing_next_to_a_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path, Scores([0.1]), epochs=1).fit()
    (tmp_path / "config.yaml").unlink()
    capsys.readouterr()
    training(tmp_path, Scores([0.1]), epochs=2).fit()
    assert "config.yaml: no such file, so the earlier options cannot be compared" in capsys.readouterr().err


def test_a_damaged_environment_file_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(tmp_path)
    for number, content in enumerate([*BROKEN.values(), b"{}", b'"a"']):
        path = tmp_path / "environment.json"
        path.write_bytes(content)
        capsys.readouterr()
        started(tmp_path)
        kept = f"environment.json.damaged{number or ''}"
        assert capsys.readouterr().err.count(f"it is kept as {kept}, and a new file is started") == 1
        assert (tmp_path / kept).read_bytes() == content
        assert len(json.loads(path.read_text())) == 1


def test_special_files_are_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = started(tmp_path)
    makers: tuple[Callable[[Path], None], ...] = (
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/nowhere/x"),
        lambda path: path.symlink_to("/dev/zero"),
    )
    for make in makers:
        for name in ("environment.json", "history.jsonl"):
            (tmp_path / name).unlink(missing_ok=True)
            make(tmp_path / name)
        capsys.readouterr()
        started(tmp_path)
        assert capsys.readouterr().err.count("it is kept as ") == 2
        run = Run(tmp_path)
        run.append({"epoch": 1})
        assert run.history() == [{"epoch": 1}]
        config = tmp_path / "config.yaml"
        whole = config.rename(tmp_path / "whole.yaml")
        make(config)
        with pytest.raises(InputError, match=r"config\.yaml: damaged"):
            started(tmp_path)
        config.rmdir() if config.is_dir() else config.unlink()
        whole.rename(config)


LINES = [
    b"5",
    b"null",
    b"{}",
    b"[1]",
    b'"a"',
    b"\xff\xfe",
    b"\0",
    b'{"epoch": "1"}',
    b'{"epoch": 0}',
    b'{"epoch": true}',
]
LINES += [
    b'{"epoch": 1e3}',
    b'{"epoch": 2, "val_miou": {}}',
    b"9" * 5000,
    b"[" * 100_000,
    b'{"epoch": 2, "val_loss": "x"}',
]
LINES += [b'{"epoch": 2, "val_iou": [[1]]}', b'{"epoch": 2']


def test_invalid_lines_are_removed_and_the_original_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path, Scores([0.1, 0.2, 0.3]), epochs=3).fit()
    path = tmp_path / "history.jsonl"
    whole = path.read_bytes()
    first, *others = whole.splitlines(keepends=True)
    for line in LINES:
        damaged = first + line + b"\n" + b"".join(others)
        path.write_bytes(damaged)
        capsys.readouterr()
        training(tmp_path, Scores([]), epochs=3).fit()
        printed = capsys.readouterr().err
        assert (
            printed.count(
                "history.jsonl: damaged, lines that are not epochs were removed (line 2); the original file is kept as "
            )
            == 1
        )
        kept = tmp_path / printed.rpartition("kept as ")[2].strip()
        assert kept.read_bytes() == damaged
        assert path.read_bytes() == whole
        kept.unlink()


def test_an_unfinished_line_is_removed_without_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = started(tmp_path)
    run.append({"epoch": 1, "loss": 2.0})
    path = tmp_path / "history.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"epoch": 2, "lo')
    started(tmp_path)
    assert path.read_bytes() == whole
    assert capsys.readouterr().err == ""


def test_an_epoch_with_other_columns_is_left_out(tmp_path: Path) -> None:
    training(tmp_path, Scores([0.1, 0.2]), epochs=2).fit()
    path = tmp_path / "history.jsonl"
    first, second = rows(tmp_path)
    for changed in ({"epoch": 1}, {**first, "val_iou": [0.5] * 9}, {**first, "extra": "text"}):
        path.write_text(json.dumps(changed) + "\n" + json.dumps(second) + "\n")
        training(tmp_path, Scores([]), epochs=2, curves="png").fit()


def test_missing_files_next_to_a_state_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path, Scores([0.3, 0.2, 0.1]), epochs=3).fit()
    (tmp_path / "history.jsonl").unlink()
    (tmp_path / "best.pth").unlink()
    capsys.readouterr()
    training(tmp_path, Scores([0.1]), epochs=4).fit()
    printed = capsys.readouterr().err
    assert "history.jsonl: lacks epoch 1, 2, and so do tables and curves" in printed
    assert "best.pth: no such file, so the weights of epoch 1, the best so far, are lost" in printed


def test_numbers_that_json_does_not_have_become_null(tmp_path: Path) -> None:
    run = started(tmp_path)
    run.append({"epoch": 1, "val_miou": float("nan")})
    assert (tmp_path / "history.jsonl").read_text() == '{"epoch": 1, "val_miou": null}\n'


# last.pth


ODD: list[Any] = [None, -1, "text", [1], {"a": 1}, torch.ones(7), torch.ones(1).to_sparse()]
FORGOTTEN = object()
BENIGN = {"format_version", "about", "weights", "network", "ema", "optimizer", "precision", "row", "best", "data"}
"""Fields that may be replaced without harm; weights only if their moving average is evaluated."""


def mutations(state: dict[str, Any], parts: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """States in which one item is removed or replaced by an odd one, at any depth up to four."""

    def inside(part: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        yield place
        if isinstance(part, dict) and len(place) < 4:
            for key in part:
                yield from inside(part[key], (*place, key))

    for place in (place for part in parts for place in inside(state[part], (part,))):
        odd = ODD if len(place) == 1 else [ODD[sum(map(ord, str(place))) % len(ODD)]]
        for value in [FORGOTTEN, *odd]:
            changed = copy.deepcopy(state)
            part = changed
            for key in place[:-1]:
                part = part[key]
            if value is FORGOTTEN:
                del part[place[-1]]
            else:
                part[place[-1]] = value
            yield place, changed


@pytest.mark.parametrize(
    ("settings", "parts"), [({"ema": 0.9}, None), ({"optimizer": "sgd"}, ["optimizer"])], ids=["all", "sgd"]
)
def test_a_state_with_odd_content_resumes_or_ends_in_a_message(
    tmp_path: Path, settings: dict[str, Any], parts: list[str] | None
) -> None:
    """Each message names the file; there is no traceback, here or in the steps that follow."""
    stopped_within_an_epoch(tmp_path, **settings)
    state = saved(tmp_path / "last.pth")
    taken: list[tuple[Any, ...]] = []
    messages: list[str] = []
    for place, changed in mutations(state, parts or state):
        torch.save(changed, tmp_path / "last.pth")
        try:
            training(tmp_path, Scores([0.1]), epochs=1, curves="none", **settings).fit()
            taken.append(place)
        except InputError as error:
            messages += error.messages
        (tmp_path / "history.jsonl").unlink(missing_ok=True)
    assert all("last.pth" in message for message in messages)
    assert {place[0] for place in taken} <= BENIGN
    assert len(messages) > 2 * len(taken) > 0


def test_a_state_of_another_network(tmp_path: Path) -> None:
    stopped_within_an_epoch(tmp_path)
    state = saved(tmp_path / "last.pth")
    for weights in ({"other": torch.ones(1)}, {**state["weights"], "weight": torch.ones(2, 3, 3, 3)}):
        torch.save({**state, "weights": weights}, tmp_path / "last.pth")
        with pytest.raises(InputError, match=r"last\.pth: does not fit this network.*start a new run") as caught:
            training(tmp_path, Scores([]), epochs=1).fit()
        assert len(caught.value.messages) == 1


def test_best_weights_copied_to_the_state(tmp_path: Path) -> None:
    training(tmp_path, Scores([0.1]), epochs=1).fit()
    (tmp_path / "last.pth").write_bytes((tmp_path / "best.pth").read_bytes())
    with pytest.raises(
        InputError, match=r"last\.pth: lacks network.*not a training state; restore last\.pth from a backup"
    ):
        training(tmp_path, Scores([]), epochs=2).fit()


def test_a_state_that_is_cut_off(tmp_path: Path) -> None:
    stopped_within_an_epoch(tmp_path)
    whole = (tmp_path / "last.pth").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "last.pth").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"last\.pth: .*damaged.*To resume, restore last\.pth from a backup"):
            training(tmp_path, Scores([]), epochs=1).fit()
