"""Every command in the documents parses, every link has a target, and every --help ends with examples."""

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [
    *REPOSITORY.glob("*.md"),
    *(REPOSITORY / "docs").rglob("*.md"),
    *(REPOSITORY / "recipes").glob("*.yaml"),
    REPOSITORY / "Makefile",
]
CONSOLE_COMMANDS = {
    name: f"python -m {target.partition(':')[0]}"
    for name, target in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"].items()
}
"""Installed command -> the same in a checkout."""
CONSOLE_COMMAND = re.compile(rf"(?<![\w/-])(?:{'|'.join(CONSOLE_COMMANDS)})(?= )")
COMMAND = re.compile(r"python (?:-m ([\w.]+)|(\w+\.py))((?: +(?!#|->)[^\s`#]+)*)")


COMMANDS = {"generate_gt", "train_fcn", "test_fcn", "export_fcn", "profile_fcn", "report"}


def commands() -> list[tuple[str, str]]:
    """Module and arguments of every command in the documents, by Python or as installed."""
    found = set()
    for document in DOCUMENTS:
        text = CONSOLE_COMMAND.sub(lambda match: CONSOLE_COMMANDS[match[0]], document.read_text())
        for module, script, arguments in COMMAND.findall(text):
            name = module or script.removesuffix(".py")
            if name.partition(".")[0] in {"bench", "camvid", "cityscapes", "kitti_road", "pascal_voc", *COMMANDS}:
                found.add((name, arguments.strip().rstrip(".,:)")))
    return sorted(found)


def test_documents_contain_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize(("module", "arguments"), commands())
def test_a_documented_command_parses(module: str, arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module("bench.__main__" if module == "bench" else module).main
    # With --help the parser checks the arguments before it, and the command does nothing.
    with pytest.raises(SystemExit) as caught:
        main([*shlex.split(arguments), "--help"])
    printed = capsys.readouterr()
    assert caught.value.code == 0, printed.err
    assert set(re.findall(r"--\w+", arguments)) <= {"--help", *re.findall(r"--\w+", printed.out)}


@pytest.mark.parametrize(
    "name",
    [
        "generate_gt",
        "train_fcn",
        "test_fcn",
        "export_fcn",
        "profile_fcn",
        "cityscapes.convert",
        "kitti_road.scoring",
        "kitti_road.submission",
    ],
)
def test_help_ends_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(name).main(["--help"])
    assert "examples:\n  python " in capsys.readouterr().out


def test_every_link_has_a_target() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
