"""Command-line options: one frozen dataclass per command, readable and writable as YAML."""

import argparse
import ast
import dataclasses
import inspect
import itertools
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from engine.cli.parser import Parser, finite, whole
from engine.errors import InputError
from engine.files.atomic import require_writable_file
from engine.files.documents import read_yaml

Options = TypeVar("Options")

_LARGEST = 1 << 28
"""Largest number of pixels of an image, as in `png_chunks.MAX_PIXELS`."""


def tool_parser(module: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """An argument parser for `python -m <module>`, whose help ends with examples."""
    return Parser(
        prog=f"python -m {module}",
        description=description,
        epilog=_epilog(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse(
    options: type[Options],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
    examples: Sequence[str],
    recipes: Path | None = None,
) -> Options:
    """Read a command line into a frozen dataclass; each field is a flag, and its docstring is the help.

    Fields are of type str, int, float, bool, Path, Literal, or one of these or None; a Literal may be annotated with a
    dict of aliases for its values. The help lists a class's own fields before those that it inherits. With
    `recipes`, `--recipe NAME` reads values from `<recipes>/NAME.yaml`, or from any YAML file; flags on the command line
    take precedence. Numbers must be finite. Wrong flags end with a message and exit code 2.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = Parser(prog=prog, description=description, epilog=_epilog(examples), formatter_class=_HelpFormatter)
    if recipes is not None:
        parser.add_argument("--recipe", metavar="NAME", help=f"start from a recipe: {_names(recipes)}, or a YAML file")
        chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        chosen.add_argument("--recipe", nargs="?")  # the other parser reports a missing value
        name = chosen.parse_known_args(arguments)[0].recipe
        if name:
            arguments = [*_recipe(name, recipes, options), *arguments]
            parser.origin = f"on the command line or in the recipe {name}; "
    _add_flags(parser, options)
    values = vars(parser.parse_args(arguments))
    values.pop("recipe", None)
    return options(**values)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Appends the default of each flag to its help, and keeps the line breaks of the examples."""

    def _get_help_string(self, action: argparse.Action) -> str:
        has_default = action.default not in (None, "", argparse.SUPPRESS)
        return f"{action.help}{' (default: %(default)s)' if has_default else ''}"


def _add_flags(parser: argparse.ArgumentParser, options: type[Any]) -> None:
    """Add a flag for each field of a dataclass."""
    types_of, help_of = typing.get_type_hints(options, include_extras=True), dict(_docstrings(options))
    declared = inspect.get_annotations(options)
    for field in sorted(dataclasses.fields(options), key=lambda field: field.name not in declared):
        required = field.default is dataclasses.MISSING
        settings: dict[str, Any] = {"required": required, "default": None if required else field.default}
        kind = types_of[field.name]
        if isinstance(kind, types.UnionType):  # `X | None`
            kind = next(part for part in typing.get_args(kind) if part is not types.NoneType)
        aliases: dict[str, str] = {}
        if typing.get_origin(kind) is Annotated:
            kind, aliases = typing.get_args(kind)
        if typing.get_origin(kind) is Literal:
            settings["choices"] = typing.get_args(kind)
            kind = partial(_named, aliases) if aliases else type(settings["choices"][0])
        kind = {int: whole, float: finite}.get(kind, kind)
        if kind is bool:  # --redo alone means --redo true
            settings |= {"nargs": "?", "const": True, "metavar": "BOOL"}
            kind = _boolean
        parser.add_argument(
            f"--{field.name}", type=kind, help=help_of.get(field.name, "").replace("%", "%%"), **settings
        )


def _docstrings(options: type[Any]) -> Iterator[tuple[str, str]]:
    """The fields of a dataclass with their docstrings, including inherited fields."""
    # Python does not keep docstrings of fields, so they are read from the source: docs/decisions/0006.
    for kind in reversed(options.__mro__):  # base classes first, so that a class overrides docstrings
        if dataclasses.is_dataclass(kind):
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            yield from _strings_below_fields(typing.cast("ast.ClassDef", definition))


def _strings_below_fields(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in itertools.pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield field.target.id, " ".join(text.split())


def _named(aliases: dict[str, str], text: str) -> str:
    """The value of a flag, with an alias replaced by its value."""
    return aliases.get(text, text)


def _boolean(text: str) -> bool:
    """The value of a flag as a bool."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected true or false")
    return text.lower() == "true"


def size(text: str, flag: str) -> tuple[int, int]:
    """The value of a flag as height and width.

    Raises:
        InputError: if it is not two positive numbers, or the image would be too large.
    """
    sides = text.lower().split("x")
    if len(sides) == 2 and all(side.isdecimal() and len(side) < 7 for side in sides):
        height, width = map(int, sides)
        if 0 < height * width <= _LARGEST:
            return height, width
    raise InputError(f"{flag} {text}: expected height x width, for example 1024x2048, and at most {_LARGEST:,} pixels")


def require_output_file(path: Path, example: str) -> None:
    """Check that the file of `--output` can be written before the work starts; `example` is a file name for messages.

    Raises:
        InputError: if it is a folder, or cannot be written.
    """
    if path.is_dir():
        raise InputError(f"--output {path}: is a folder; give the file to write, for example {path / example}")
    require_writable_file(path)


def names(text: str) -> list[str]:
    """The value of a flag as a list of names, which it separates by commas, without duplicates."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def plain(options: Any) -> dict[str, Any]:
    """The options as names and values of YAML and JSON types, in the order of the fields."""
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(options).items()
    }


def _recipe(name: str, recipes: Path, options: type[Any]) -> list[str]:
    """The values of a recipe as flags."""
    path = recipes / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(f"--recipe {name}: no such recipe or file; recipes are: {_names(recipes)}")
    values = read_yaml(path)
    known = {field.name for field in dataclasses.fields(options)}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected option names and values, as in {recipes}/*.yaml")
    if unknown := sorted(set(values) - known):
        raise InputError(f"{path}: unknown option {', '.join(unknown)}; the options are {', '.join(sorted(known))}")
    if wrong := [
        f"{path}: {key} is a {type(value).__name__}, expected one string, number, true or false"
        for key, value in values.items()
        if isinstance(value, list | dict)
    ]:
        raise InputError(*wrong)
    spelling = {True: "true", False: "false"}
    return [
        f"--{key}={spelling[value] if isinstance(value, bool) else value}"
        for key, value in values.items()
        if value is not None
    ]


def _names(recipes: Path) -> str:
    return ", ".join(sorted(path.stem for path in recipes.glob("*.yaml")))


def _epilog(examples: Sequence[str]) -> str:
    return "\n".join(["examples:", *(f"  {example}" for example in examples), ""])
