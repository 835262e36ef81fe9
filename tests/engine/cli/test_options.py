from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from engine.cli import options
from engine.errors import InputError


@dataclass(frozen=True)
class Some:
    root: Path = Path("data")
    """folder of the data set"""
    rate: float = 0.5
    """of learning"""
    kind: Literal["a", "b"] = "a"
    """one of two"""
    redo: bool = False
    """do it again"""
    name: str | None = None
    """of the run"""
    precision: Annotated[Literal["32-true", "16-mixed"], {"fp32": "32-true", "fp16": "16-mixed"}] = "32-true"
    """of numbers"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "fast.yaml").write_text("# a comment\nrate: 1.0e-3\nkind: b\nroot: elsewhere\n")
    (tmp_path / "odd.yaml").write_text("rat: 1\nknd: b\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    return tmp_path


def parse(recipes: Path, *argv: str) -> Some:
    return options.parse(Some, argv, prog="some.py", description="", examples=["some.py"], recipes=recipes)


def test_defaults(recipes: Path) -> None:
    assert parse(recipes) == Some()


def test_flags(recipes: Path) -> None:
    assert parse(recipes, "--rate", "2e-1", "--kind=b", "--redo", "--name", "7") == Some(
        rate=0.2, kind="b", redo=True, name="7"
    )
    assert parse(recipes, "--redo", "--rate", "1").redo
    assert not parse(recipes, "--redo", "false").redo


def test_a_recipe_gives_way_to_flags(recipes: Path) -> None:
    expected = Some(root=Path("elsewhere"), rate=1e-3, kind="b")
    assert parse(recipes, "--recipe", "fast") == expected
    assert parse(recipes, "--rate", "3", "--recipe", str(recipes / "fast.yaml")).rate == 3


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("slow", "no such recipe or file; there are: broken, fast, list, odd"),
        ("odd", "unknown option knd, rat"),
        ("list", "expected option names and values"),
        ("broken", "broken YAML"),
    ],
)
def test_bad_recipes(recipes: Path, recipe: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(recipes, "--recipe", recipe)


def test_values_go_by_other_names_too(recipes: Path) -> None:
    assert parse(recipes, "--precision", "fp16") == parse(recipes, "--precision", "16-mixed")
    assert parse(recipes, "--precision", "fp32") == Some()


@pytest.mark.parametrize(
    "argv",
    [["--rate", "fast"], ["--kind", "c"], ["--wrong", "1"], ["--redo", "3"], ["stray"], ["--precision", "fp8"]],
)
def test_wrong_flags_end_with_code_2(recipes: Path, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(recipes, *argv)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_says_defaults_and_ends_with_examples(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(recipes, "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "folder of the data set (default: data)" in text
    assert text.endswith("examples:\n  some.py\n")


def test_options_written_as_a_recipe_read_back(recipes: Path) -> None:
    import yaml

    some = Some(root=Path("x"), rate=1e-7, redo=True)
    (recipes / "back.yaml").write_text(yaml.safe_dump(options.plain(some)))
    assert parse(recipes, "--recipe", "back") == some


@dataclass(frozen=True)
class Library:
    """What a library takes."""

    depth: int = 3
    """how deep to go"""
    rate: float = 0.5
    """of the library"""


@dataclass(frozen=True)
class Command(Library):
    root: Path = Path("data")
    """folder of the data set"""
    rate: float = 2.0
    """of the command"""


def test_a_command_extends_what_its_library_takes(capsys: pytest.CaptureFixture[str]) -> None:
    def command(*argv: str) -> Command:
        return options.parse(Command, argv, prog="some.py", description="", examples=["some.py"])

    assert command("--depth", "7") == Command(depth=7)
    with pytest.raises(SystemExit):
        command("--help")
    text = capsys.readouterr().out
    assert "how deep to go (default: 3)" in text
    assert "of the command (default: 2.0)" in text
    assert "of the library" not in text
    assert text.index("\n  --root") < text.index("\n  --depth"), "its own options come first"


def test_an_output_file_needs_a_name_of_its_own_and_a_folder_to_write_to(tmp_path: Path) -> None:
    options.require_output_file(tmp_path / "new" / "scores.json", "scores.json")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(InputError, match=f"^--output {tmp_path}: is a folder; give .*, for example {tmp_path}/a.json$"):
        options.require_output_file(tmp_path, "a.json")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write here"):
        options.require_output_file(tmp_path / "file" / "scores.json", "scores.json")
