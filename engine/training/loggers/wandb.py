"""Weights & Biases; WANDB_PROJECT, WANDB_MODE=offline and its other environment variables hold."""

import os
from collections.abc import Mapping

from engine.training.loggers.sink import PROJECT, Job, Sink


def start(job: Job) -> Sink:
    """Begin a run there, or resume the one of an earlier start; its local files lie in the run's folder `wandb`."""
    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=job.folder.name,
        id=job.run_id,
        resume="allow",
        config=dict(job.config),
        dir=str(job.folder),
    )

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        run.log({"epoch": epoch, **figures}, step=epoch)

    return Sink(run.id, write, run.finish)
