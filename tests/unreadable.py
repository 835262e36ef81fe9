"""Folders that cannot be listed, for tests that run as any user: root may list all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def refused(*folders: Path) -> Iterator[None]:
    """Let these folders refuse to be listed, as those of another user do."""
    known: Callable[..., Any] = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) in folders:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return known(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        yield


def refusal(folder: Path) -> str:
    """What is said about such a folder."""
    return f"error: {folder}: cannot list this folder (Permission denied); make it readable, or move it away"
