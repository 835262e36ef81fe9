"""The spelling of commands in messages: `python train_fcn.py` in a checkout, `fcn-train` where that is installed."""

import re
import sys
from functools import cache
from pathlib import Path

_DISTRIBUTION = "cityscapes-fcn"
_CHECKOUT = Path(__file__).parents[2]


def spelled(text: str) -> str:
    """Text in which commands are spelled as they can be typed here.

    Texts of this project name commands as a checkout has them: `python train_fcn.py`, `python -m cityscapes.scoring`.
    Where this process is an installed console command, or the code lies in no checkout, they become the names of
    console commands: `fcn-train`, `cityscapes-score`. Modules without a console command stay as they are.
    """
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    checkout = (_CHECKOUT / "pyproject.toml").is_file()
    if checkout and (program.endswith(".py") or program not in console_commands().values()):
        return text
    for module, name in console_commands().items():
        text = re.sub(rf"\bpython -m {re.escape(module)}(?![\w.])", name, text)
        if "." not in module:
            text = re.sub(rf"(\btorchrun [^\n]*?)\b{module}\.py\b", rf"\1-m {module}", text)  # it takes no commands
            text = re.sub(rf"(?:\bpython )?(?<![\w./-]){module}\.py\b", name, text)
    return text


@cache
def console_commands() -> dict[str, str]:
    """Module -> its console command, as installed; empty where this distribution is not installed."""
    from importlib import metadata  # takes as long as the rest of a short command

    try:
        entries = metadata.distribution(_DISTRIBUTION).entry_points
    except metadata.PackageNotFoundError:
        return {}
    return {entry.module: entry.name for entry in entries if entry.group == "console_scripts"}
