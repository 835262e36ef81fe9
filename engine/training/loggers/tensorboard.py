"""TensorBoard logger: one file of events for each start of a run, in the folder `tensorboard` of the run."""

import contextlib
import threading
from collections.abc import Iterator, Mapping

from engine.training.loggers.sink import Job, Sink


def start(job: Job) -> Sink:
    """Open a file of events; TensorBoard hides older events of the epochs that are sent now."""
    from torch.utils.tensorboard import SummaryWriter

    with _quiet_threads():
        writer = SummaryWriter(str(job.folder / "tensorboard"), purge_step=job.first_epoch)

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        with _quiet_threads():
            for name, value in figures.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

    return Sink(None, write, writer.close)


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """Silence a write error in TensorBoard's thread, because TensorBoard raises it in this thread as well."""
    usual = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            usual(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
