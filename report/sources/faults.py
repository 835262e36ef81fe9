"""Faults of the files of a report, with paths as the user gave them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InputError, printable
from engine.findings import grouped, shortened
from report.records import Fault

UNUSABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""Exceptions that content of the wrong form causes; a fault names them instead of a traceback."""
_REMEDY = "write this file again, or move it away"


class Names:
    """Paths as the user gave them; of absolute ones only the last part, because a report is passed around.

    Args:
        folders: that the user gave.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        absolute = {str(folder): folder.name for folder in folders if folder.is_absolute() and folder.name}
        self._names = dict(sorted(absolute.items(), key=lambda item: -len(item[0])))

    def shown(self, text: str) -> str:
        """A path, or a message with paths."""
        for path, name in self._names.items():
            text = text.replace(path, name)
        return text


class Faults:
    """Collector of the faults of a run, or of what belongs to none.

    Args:
        names: of the folders that the user gave.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self._found: dict[Fault, None] = {}

    @property
    def found(self) -> tuple[Fault, ...]:
        """The faults in the order in which they came, each once."""
        return tuple(self._found)

    def add(self, path: Path, message: str) -> None:
        """Add a fault of a file or folder.

        Args:
            path: of the file or folder.
            message: what was got, what was expected and what to do.
        """
        texts = (str(path), shortened(message.removeprefix(f"{path}: ")))
        self._found[Fault(*(printable(self.names.shown(text)) for text in texts))] = None

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Context that turns the errors of reading a file into faults."""
        try:
            yield
        except InputError as error:
            if path.is_symlink() and not path.exists():
                self.add(path, "a link to a file that does not exist; restore that file, or remove the link")
                return
            for message in grouped(error.messages):
                self.add(path, message)
        except UNUSABLE as error:
            self.add(path, f"content of another form: {_reason(error)}; {_REMEDY}")
        except OSError as error:
            named = Path(error.filename) if isinstance(error.filename, str | Path) else path
            self.add(named, f"cannot read it ({error.strerror}); check its permissions and the disk")


def _reason(error: Exception) -> str:
    """The message of an error in a line."""
    if isinstance(error, LookupError):
        return f"lacks {str(error)[:100]}"
    return " ".join(str(error).split())[:200] or type(error).__name__
