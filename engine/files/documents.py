"""JSON and YAML files of unknown origin, read within a limited time."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from engine.errors import InputError
from engine.files.content import read_text

MAX_YAML_BYTES = 1 << 17
"""Largest YAML file that is read: PyYAML takes ten seconds per megabyte, and options and label tables are small."""
MAX_DEPTH = 50
"""Largest nesting depth of lists and mappings in YAML."""
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
"""YAML tags of the types that JSON has too."""


def read_json(path: Path, most: int | None = None) -> Any:
    """The content of a JSON file; NaN and infinity are read as Python writes them.

    Args:
        path: of the file.
        most: number of bytes above which it is not read.

    Raises:
        InputError: if it cannot be read, has more bytes, is not JSON, or is nested more deeply than Python can parse.
    """
    text = read_text(path, most)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply; write this file again") from error
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise InputError(f"{path}: not valid JSON ({_line(error)}); write this file again") from error


def read_yaml(path: Path) -> Any:
    """The content of a YAML file: strings, numbers, booleans, null, lists, and mappings with strings as keys.

    Dates are read as strings. Aliases are refused, because a kilobyte of them can expand to billions of items.
    Duplicate keys are refused too, because otherwise the last one would win without a message.

    Raises:
        InputError: if it cannot be read, or holds anything else.
    """
    text = read_text(path, 4 * MAX_YAML_BYTES)  # a character has at most four bytes
    if len(text) > MAX_YAML_BYTES:
        raise InputError(f"{path}: {len(text)} characters, expected a short file of options or labels")
    try:
        return yaml.load(text, _Plain)  # a safe loader with more checks
    except yaml.YAMLError as error:
        raise InputError(f"{path}: broken YAML ({_line(error)}); correct this line") from error
    except (ValueError, LookupError, RecursionError) as error:  # integers of 5,000 digits; `!!int ''`, `!!bool x`
        raise InputError(f"{path}: broken YAML ({_line(error)}); correct this value") from error


def _line(error: Exception) -> str:
    """The message of an error as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Plain(yaml.SafeLoader):
    """A safe loader that refuses aliases, duplicate keys, keys that are not strings, and deep nesting."""

    yaml_implicit_resolvers: ClassVar = {  # type: ignore[misc]  # the stub says that instances have it
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, unless it is an alias or too deep."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not supported", mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_DEPTH} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node.tag not in _TAGS:
            raise yaml.composer.ComposerError(None, None, f"type {node.tag} is not supported", node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A dict, unless a key occurs twice or is not a string."""
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                what = f"expected a string as key, got {key_node.value if key_node.id == 'scalar' else key_node.id!r}"
                raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
            if key in keys:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep=deep)
