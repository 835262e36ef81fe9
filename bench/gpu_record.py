"""The record of `python -m bench gpu`: one JSON file, which is complete and valid after every figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files.atomic import write_json

Entry = dict[str, Any]
"""One part in the record: status, seconds, failures, result and environment."""
DONE, FAILED, KILLED, SKIPPED = "done", "failed", "killed", "skipped"


class Record:
    """The record file; parts that an earlier call measured stay until they are measured again.

    Args:
        path: the file, gpu.json in the output folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[str, Entry] = {}
        if path.is_file():
            self.parts = json.loads(path.read_text())["parts"]

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Replace the entry of a part and write the file; if the part was skipped now, its earlier figures stay."""
        known = self.parts.get(name, {"status": SKIPPED})
        if entry["status"] == SKIPPED and known["status"] != SKIPPED:
            self.parts[name] = {**known, "skipped_later": list(entry.get("failed", ()))}
        else:
            self.parts[name] = dict(entry)
        write_json(self.path, {"bench": "gpu", "parts": self.parts})


def merge(files: Sequence[Path], path: Path) -> Path:
    """Merge the records of several calls, for example on machines that keep no files, into one.

    If several calls measured a part, the last one wins.

    Raises:
        InputError: if a file is not a record of python -m bench gpu.
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
    """Content of a part's result file; an empty result if it has not written one yet."""
    if not path.is_file():
        return {"ended": False, "failed": [], "result": {}}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def status(ended: bool, code: int | None, failed: list[str]) -> str:
    """Status of a part.

    Args:
        ended: whether the part wrote that it ended.
        code: exit code of its process; None if it was killed.
        failed: messages about what failed in it.
    """
    if code is None and not ended:
        return KILLED
    return FAILED if failed or code != 0 else DONE
