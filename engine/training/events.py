"""The history as TensorBoard's events: one file for each start of a run."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from engine.errors import InputError
from engine.training.history import Row


class Events:
    """Writes rows of the history as events, into a file that is made for the first of them.

    Args:
        folder: of the events.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._last = 0
        """The last epoch that was written."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows that came since the last time; older events of these epochs are no longer shown.

        Raises:
            InputError: if they cannot be written.
        """
        new = [row for row in rows if row["epoch"] > self._last]
        if not new:
            return
        try:
            with _quiet_threads():
                if self._writer is None:
                    self._writer = SummaryWriter(str(self.folder), purge_step=new[0]["epoch"])
                for row in new:
                    for name, value in row.items():
                        if isinstance(value, float):
                            self._writer.add_scalar(name, value, row["epoch"])
                self._writer.flush()
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot write TensorBoard's events ({error.strerror}); state and history are kept. "
                "Make room on that disk, or move away what lies there, then run the same command again"
            ) from error
        self._last = new[-1]["epoch"]

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            with contextlib.suppress(OSError):  # of which `write` has told
                self._writer.close()
            self._writer = None


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """Keep a thread's failure to write to itself: TensorBoard raises it here as well."""
    usual = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            usual(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
