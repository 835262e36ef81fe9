"""Command-line options: one frozen dataclass a command, readable and writable as YAML."""

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jsonargparse
import yaml

from engine.faults import InputError

Options = TypeVar("Options")


class _HelpFormatter(jsonargparse.DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the examples on lines of their own, and says the default but not the Python type."""

    def _expand_help(self, action: argparse.Action) -> str:
        return re.sub(r"type: .*, (?=default: )", "", super()._expand_help(action))


def tool_parser(module: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """An argument parser for `python -m <module>`, whose help ends with examples."""
    return argparse.ArgumentParser(
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
    """Read a command line into a frozen dataclass; each field is a flag, its docstring line the help.

    With `recipes`, `--recipe NAME` takes the values of `<recipes>/NAME.yaml`, or of any YAML file, and the
    flags given beside it win. Wrong flags end with usage, message and exit code 2, as argparse does.
    """
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = jsonargparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=_epilog(examples),
        formatter_class=_HelpFormatter,
    )
    defaults: dict[str, Any] = {}
    if recipes is not None:
        parser.add_argument("--recipe", metavar="NAME", help=f"start from a recipe: {_names(recipes)}, or a YAML file")
        chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        chosen.add_argument("--recipe")
        name = chosen.parse_known_args(argv)[0].recipe
        defaults = _recipe(name, recipes, options) if name else {}
    parser.add_class_arguments(options, as_group=False)
    for action in parser._actions:
        if action.default is False:  # --redo alone means --redo true
            action.nargs, action.const, action.metavar = "?", True, "BOOL"
    parser.set_defaults(defaults)
    values = parser.parse_args(argv).as_dict()
    values.pop("recipe", None)
    return options(**values)


def plain(options: Any) -> dict[str, Any]:
    """The options as names and values that YAML and JSON have, in the order of their fields."""
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(options).items()
    }


def _recipe(name: str, recipes: Path, options: type[Any]) -> dict[str, Any]:
    path = recipes / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(f"--recipe {name}: no such recipe or file; there are: {_names(recipes)}")
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: broken YAML ({' '.join(str(error).split())})") from error
    known = {field.name for field in dataclasses.fields(options)}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected option names and values, as in {recipes}/*.yaml")
    if unknown := sorted(set(values) - known):
        raise InputError(f"{path}: unknown option {', '.join(unknown)}; the options are {', '.join(sorted(known))}")
    return values


def _names(recipes: Path) -> str:
    return ", ".join(sorted(path.stem for path in recipes.glob("*.yaml")))


def _epilog(examples: Sequence[str]) -> str:
    return "\n".join(["examples:", *(f"  {example}" for example in examples), ""])
