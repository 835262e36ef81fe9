"""A page with the `--help` of every command: `python docs/cli_reference.py > page.md`."""

import contextlib
import importlib
import io
import os
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

REPOSITORY = Path(__file__).resolve().parents[1]
COLUMNS = "90"
"""Width of the help, in characters."""
CONSOLE_COMMANDS = {
    target.partition(":")[0]: name
    for name, target in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"].items()
}
"""Module -> its installed command."""


class Group(NamedTuple):
    """Commands of one section of the page."""

    title: str
    commands: tuple[str, ...]
    """Modules whose `main` is a command, some with the name of a subcommand after a blank."""


_FORMATS = (" coco_instances", " coco_panoptic", " labelme", " cvat")
GROUPS = (
    Group("Cityscapes", ("cityscapes.demo", "generate_gt", "cityscapes.doctor", "cityscapes.scoring")),
    Group("Cityscapes submissions", tuple(f"cityscapes.submission{part}" for part in ("", " check", " fix", " pack"))),
    Group("Cityscapes converters", tuple(f"cityscapes.convert{part}" for part in ("", *_FORMATS))),
    Group("Networks", ("train_fcn", "test_fcn", "profile_fcn", "export_fcn")),
    Group("Report", ("report",)),
    Group("CamVid", ("camvid.download", "camvid.scoring")),
    Group("Pascal VOC", ("pascal_voc.download", "pascal_voc.scoring")),
    Group("Pascal VOC submissions", tuple(f"pascal_voc.submission{part}" for part in ("", " check", " pack"))),
    Group("KITTI Road", ("kitti_road.scoring",)),
    Group("KITTI Road submissions", tuple(f"kitti_road.submission{part}" for part in ("", " check", " pack"))),
)

_INTRODUCTION = """# Commands

The `--help` of every command. Defaults that depend on the number of CPUs are those of the machine that made this page.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION]
    for group in GROUPS:
        parts.append(f"## {group.title}\n")
        for command in group.commands:
            module, _, action = command.partition(" ")
            parts.append(f"### {_title(module, action)}\n\n```text\n{help_of(module, action)}```\n")
    return "\n".join(parts)


def _title(module: str, action: str) -> str:
    """The spelling of a command in a checkout, then that of the installed command."""
    words = f"python {module}.py" if (REPOSITORY / f"{module}.py").is_file() else f"python -m {module}"
    spellings = [words, CONSOLE_COMMANDS[module]] if module in CONSOLE_COMMANDS else [words]
    return " or ".join(f"`{' '.join([spelling, *action.split()])}`" for spelling in spellings)


def help_of(module: str, action: str = "") -> str:
    """Output of a command for `--help`."""
    printed = io.StringIO()
    width = patch.dict(os.environ, COLUMNS=COLUMNS)
    with width, contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        importlib.import_module(module).main([*action.split(), "--help"])
    return printed.getvalue()


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    print(page(), end="")
