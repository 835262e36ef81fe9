"""TensorBoard: one file of events for each start of a run, in the run's folder `tensorboard`."""

import contextlib
import threading
from collections.abc import Iterator, Mapping

from engine.training.loggers.sink import Job, Sink


def start(job: Job) -> Sink:
    """Open a file of events; older events of the epochs that are sent now are no longer shown."""
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
