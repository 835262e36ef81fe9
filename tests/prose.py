"""The text of the project, piece by piece: paragraphs of documents, comments, docstrings and messages of code."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

REPOSITORY = Path(__file__).parents[1]
CHECKS = {"tests/prose.py", "tests/test_prose.py"}
"""Files that quote what they forbid."""
RECORDS = "docs/results/"
"""Records of past measurements, which stay as they were written."""

Kind = Literal["paragraph", "list item", "heading", "comment", "docstring", "field", "message"]


class Piece(NamedTuple):
    """One piece of text and the place where it was found."""

    place: str
    """File and line, for example `engine/errors.py:12`."""
    kind: Kind
    text: str
    """The text with single spaces; code in backticks is replaced by `x` except in messages."""


def tracked_files() -> list[Path]:
    """All files under version control, relative to the repository, without records and these checks."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [
        Path(name)
        for name in listed.stdout.split("\n")
        if name and not name.startswith(RECORDS) and name not in CHECKS and (REPOSITORY / name).is_file()
    ]


@cache
def pieces() -> tuple[Piece, ...]:
    """Every piece of text in the project."""
    found: list[Piece] = []
    for path in tracked_files():
        match path.suffix:
            case ".py":
                found += _of_code(path)
            case ".md":
                found += _of_document(path)
            case ".yaml" | ".yml" | ".toml" | ".cff":
                found += _of_comments(path)
            case _:
                found += _of_comments(path) if path.name in {"Makefile", "run", "Dockerfile"} else []
    return tuple(found)


def _of_code(path: Path) -> Iterator[Piece]:
    source = (REPOSITORY / path).read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Piece(f"{path}:{token.start[0]}", "comment", token.string.lstrip("#! "))
    tree = ast.parse(source)
    read = set()
    for node in ast.walk(tree):
        for number, child in enumerate(
            getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ()
        ):
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                read.add(id(child.value))
                yield Piece(f"{path}:{child.lineno}", "field" if number else "docstring", _plain(child.value.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            read |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield Piece(f"{path}:{node.lineno}", "message", " ".join(text.split()))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in read
            and " " in node.value
        ):
            yield Piece(f"{path}:{node.lineno}", "message", " ".join(node.value.split()))


def _of_document(path: Path) -> Iterator[Piece]:
    text = re.sub(
        r"```.*?```", lambda code: "\n" * code.group().count("\n"), (REPOSITORY / path).read_text(), flags=re.S
    )
    start, kind, block = 1, "paragraph", list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        stripped = line.strip()
        begins = stripped.startswith(("- ", "* ", "|", "#"))
        if block and (not stripped or begins):
            yield Piece(f"{path}:{start}", kind, _plain(" ".join(block)))  # type: ignore[arg-type]
            block = []
        if stripped:
            if not block:
                start, kind = number, "heading" if stripped[0] in "|#" else "list item" if begins else "paragraph"
            block.append(stripped)


def _of_comments(path: Path) -> Iterator[Piece]:
    for number, line in enumerate((REPOSITORY / path).read_text().splitlines(), 1):
        if "#" in line:
            yield Piece(f"{path}:{number}", "comment", line.partition("#")[2].strip("# "))


def _plain(text: str) -> str:
    return re.sub(r"`+[^`]*`+", "`x`", " ".join(text.split()))


@cache
def identifiers() -> dict[str, str]:
    """Every name in code -> one place where it is used, as file and line."""
    found: dict[str, str] = {}
    for path in tracked_files():
        if path.suffix == ".py":
            for token in tokenize.generate_tokens(io.StringIO((REPOSITORY / path).read_text()).readline):
                if token.type == tokenize.NAME:
                    found.setdefault(token.string, f"{path}:{token.start[0]}")
    return found
