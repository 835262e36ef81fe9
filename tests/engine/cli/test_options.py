import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from engine.cli import options
from engine.cli.parser import Parser, add_workers, whole
from engine.errors import InputError


@dataclass(frozen=True)
class Some:
    root: Path = Path("data")
    """folder of the data set"""
    rate: float = 0.5
    """learning rate"""
    kind: Literal["a", "b"] = "a"
    """kind, one of two"""
    redo: bool = False
    """repeat the work"""
    name: str | None = None
    """name of the run"""
    precision: Annotated[Literal["32-true", "16-mixed"], {"fp32": "32-true", "fp16": "16-mixed"}] = "32-true"
    """precision of numbers"""


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


def test_flags_take_precedence_over_a_recipe(recipes: Path) -> None:
    expected = Some(root=Path("elsewhere"), rate=1e-3, kind="b")
    assert parse(recipes, "--recipe", "fast") == expected
    assert parse(recipes, "--rate", "3", "--recipe", str(recipes / "fast.yaml")).rate == 3


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("slow", "no such recipe or file; recipes are: broken, fast, list, odd"),
        ("odd", "unknown option knd, rat"),
        ("list", "expected option names and values"),
        ("broken", "broken YAML"),
    ],
)
def test_bad_recipes(recipes: Path, recipe: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(recipes, "--recipe", recipe)


HOSTILE = {
    "number as key": b"1: 2",
    "null as key": b"~: 3",
    "truth as key": b"yes: 3",
    "date as key": b"2026-01-01: 3",
    "list as key": b"? [a]\n: 3",
    "unknown date": b"name: 2026-13-45\nrat: 3",
    "digits": b"rate: " + b"9" * 5000,
    "depth": b"[" * 3000,
    "depth of a value": b"name: " + b"[" * 3000 + b"]" * 3000,
    "aliases": b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 120)),
    "doubled key": b"rate: 1\nrate: 2",
    "list": b"name: [a]",
    "mapping": b"name: {a: b}",
    "set": b"name: !!set {a, b}",
    "binary": b"name: !!binary aGVsbG8=",
    "python": b"name: !!python/object/apply:os.getcwd []",
    "no UTF-8": b"name: \xff",
    "zero byte": b"name: \0",
    "a time": b"rate: 25:61:61",
    "NaN": b"rate: .nan",
    "infinite": b"rate: -.inf",
    "empty": b"",
    "text": b"hello",
}


def test_recipes_of_any_content_are_answered_quickly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hostile.yaml"
    for kind, content in HOSTILE.items():
        path.write_bytes(content)
        started = time.process_time()
        try:
            parse(tmp_path, "--recipe", "hostile")
        except (InputError, SystemExit) as error:
            printed = str(error) if isinstance(error, InputError) else capsys.readouterr().err
        else:
            printed = "nothing"
        assert "hostile" in printed, kind
        assert len(printed) < 700, kind
        assert time.process_time() - started < 1, kind


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--rat", "1"], "there is no option --rat; did you mean --rate? (see python some.py --help)"),
        (["--ROOT=x"], "there is no option --ROOT (see"),
        (["--re-do"], "there is no option --re-do; did you mean --redo? (see"),
        (["-rate", "1"], "there is no option -rate; did you mean --rate? (see"),
        (["--rat", "1", "--nam=3"], "did you mean --rate?; there is no option --nam; did you mean --name? (see"),
        (["stray"], "'stray' is not expected here (see"),
        (["--recipe"], "argument --recipe: expected one argument (see"),
        (["--rate", "nan"], "argument --rate: got 'nan', expected a finite number (see"),
        (["--rate", "1e999"], "argument --rate: got '1e999', expected a finite number (see"),
        (["--kind", "\x1b[2J"], "argument --kind: invalid choice: '\\x1b[2J'"),
        (["--redo", "x" * 100_000], "xxx... (see"),
    ],
)
def test_a_wrong_command_line_is_reported_in_one_line(
    recipes: Path, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(recipes, *argv)
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert len(printed) < 600


def test_a_wrong_flag_of_a_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    parser = options.tool_parser("some.tool", "", [])
    parser.add_subparsers().add_parser("check").add_argument("--root")
    with pytest.raises(SystemExit):
        parser.parse_args(["check", "--roots", "x"])
    assert capsys.readouterr().err == (
        "error: there is no option --roots; did you mean --root? (see python -m some.tool check --help)\n"
    )


def test_a_wrong_value_in_a_recipe_names_the_recipe(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipes / "slow.yaml").write_text("rate: slow\n")
    with pytest.raises(SystemExit):
        parse(recipes, "--recipe", "slow")
    assert "got 'slow', expected a finite number (on the command line or in the recipe slow; see" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 19, "-" + "9" * 19, "1.5", "nan", "", "x"])
def test_texts_that_are_not_integers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
        whole(text)


@pytest.mark.parametrize("text", ["-3", "1025", "nan", "1.5"])
def test_an_invalid_number_of_processes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="tool")
    add_workers(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--workers", text])
    assert "argument --workers: got" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1x2x3", "0x2", "ax2", "9" * 5000 + "x1", "-1x2", "x", ""])
def test_texts_that_are_not_sizes(text: str) -> None:
    with pytest.raises(InputError, match="expected height x width"):
        options.size(text, "--size")


def test_values_have_aliases(recipes: Path) -> None:
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


def test_help_has_defaults_and_ends_with_examples(recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    """Options of a library."""

    depth: int = 3
    """depth of the search"""
    rate: float = 0.5
    """option of the library"""


@dataclass(frozen=True)
class Command(Library):
    root: Path = Path("data")
    """folder of the data set"""
    rate: float = 2.0
    """option of the command"""


def test_a_command_extends_the_options_of_its_library(capsys: pytest.CaptureFixture[str]) -> None:
    def command(*argv: str) -> Command:
        return options.parse(Command, argv, prog="some.py", description="", examples=["some.py"])

    assert command("--depth", "7") == Command(depth=7)
    with pytest.raises(SystemExit):
        command("--help")
    text = capsys.readouterr().out
    assert "depth of the search (default: 3)" in text
    assert "option of the command (default: 2.0)" in text
    assert "option of the library" not in text
    assert text.index("\n  --root") < text.index("\n  --depth"), "its own options come first"


def test_an_output_file_needs_a_name_and_a_writable_folder(tmp_path: Path) -> None:
    options.require_output_file(tmp_path / "new" / "scores.json", "scores.json")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(InputError, match=f"^--output {tmp_path}: is a folder; give .*, for example {tmp_path}/a.json$"):
        options.require_output_file(tmp_path, "a.json")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write here"):
        options.require_output_file(tmp_path / "file" / "scores.json", "scores.json")
