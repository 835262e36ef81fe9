"""The record of `python -m bench gpu`: one file, which is whole after every figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files.atomic import write_json

Entry = dict[str, Any]
"""One part: status, seconds, what failed, the result, and the environment that it was found in."""
DONE, FAILED, KILLED, SKIPPED = "done", "failed", "killed", "skipped"


class Record:
    """gpu.json in a folder; parts that an earlier call left there stay until they are measured again.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[str, Entry] = {}
        if path.is_file():
            self.parts = json.loads(path.read_text())["parts"]

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Replace what is known of a part, in the file too; what was measured stays if it was skipped now."""
        known = self.parts.get(name, {"status": SKIPPED})
        if entry["status"] == SKIPPED and known["status"] != SKIPPED:
            self.parts[name] = {**known, "skipped_later": list(entry.get("failed", ()))}
        else:
            self.parts[name] = dict(entry)
        write_json(self.path, {"bench": "gpu", "parts": self.parts})


def merge(files: Sequence[Path], path: Path) -> Path:
    """Bring parts that several calls measured, on machines that keep nothing, into one record.

    The last one that measured a part wins.

    Raises:
        InputError: if a file is no such record.
    """
    record = Record(path)
    for file in files:
        try:
            parts = json.loads(file.read_text())["parts"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: expected a gpu.json of python -m bench gpu, got something else") from error
        for name, entry in parts.items():
            record.put(name, entry)
    return path


def read_result(path: Path) -> dict[str, Any]:
    """What a part has written so far."""
    if not path.is_file():
        return {"ended": False, "failed": [], "result": {}}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def status(ended: bool, code: int | None, failed: list[str]) -> str:
    """How a part came out, by whether it said that it ended, its exit code (None if killed), and what failed in it."""
    if code is None and not ended:
        return KILLED
    return FAILED if failed or code != 0 else DONE
