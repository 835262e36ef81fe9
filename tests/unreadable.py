"""Folders that cannot be listed, also for tests that run as root, who may list every folder."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def refused(*folders: Path) -> Iterator[None]:
    """Make listing these folders fail, as for folders of another user."""
    known: Callable[..., Any] = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) in folders:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return known(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        yield


def refusal(folder: Path) -> str:
    """Error message about a folder that cannot be listed."""
    return f"error: {folder}: cannot list this folder (Permission denied); make it readable, or move it away"
