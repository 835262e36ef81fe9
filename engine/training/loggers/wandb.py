"""Weights & Biases logger, configured by WANDB_PROJECT, WANDB_MODE=offline and other variables of wandb."""

import os
from collections.abc import Mapping

from engine.training.loggers.sink import PROJECT, Job, Sink


def start(job: Job) -> Sink:
    """Start a run in Weights & Biases, or resume it; its local files are in `wandb/` of the run."""
    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=job.folder.name,
        id=job.run_id,
        resume="allow",
        config=dict(job.config),
        allow_val_change=True,  # some settings may change when a run resumes, for example the number of epochs
        dir=str(job.folder),
    )

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        run.log({"epoch": epoch, **figures}, step=epoch)

    return Sink(run.id, write, run.finish)
