"""JSON and YAML of any origin."""

import math
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files.documents import read_json, read_yaml


def test_yaml_of_recipes_and_label_tables_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: 2026-13-45\nrate: 5e-4\nn: 3\nflag: true\nnone: null\nlist: [{a: 1}, {a: .nan}]\n")
    content = read_yaml(path)
    assert content["name"] == "2026-13-45"
    assert (content["n"], content["flag"], content["none"]) == (3, True, None)
    assert content["list"][0] == {"a": 1}
    assert math.isnan(content["list"][1]["a"])
    path.write_text("")
    assert read_yaml(path) is None


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1: 2", "expected a string as key, got '1'"),
        ("yes: 3", "expected a string as key, got 'yes'"),
        ("? [a]\n: 1", "expected a string as key, got 'sequence'"),
        ("a: 1\nb: {c: 1, c: 2}", "key 'c' occurs twice"),
        (BOMB, "aliases are not supported"),
        ("[" * 3000, "more than 50 levels deep"),
        ("a: " + "9" * 5000, "digits"),
        ("a: !!binary aGVq", "binary is not supported"),
        ("a: !!set {x}", "set is not supported"),
        ("a: !!python/object/apply:os.system [id]", "is not supported"),
        ("a: !!int ''", "broken YAML"),
        ("a: !!bool x", "broken YAML"),
        ("a: [", "line 1"),
        ("a: \0", "broken YAML"),
        ("a: 1\n" * 50_000, "expected a short file"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_other_yaml_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_yaml(path)
    (message,) = raised.value.messages
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "digits"),
        (b"\xff", "not UTF-8 text"),
        (b'{"a": 1}{', "not valid JSON"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_other_json_is_refused(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        read_json(path)


def test_json_as_python_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, null, NaN]}')
    assert read_json(tmp_path / "a.json")["a"][:3] == [1, 2.5, None]
