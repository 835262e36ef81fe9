"""Trackio logger, local unless environment variables name a space; TRACKIO_PROJECT names the project."""

import os
from collections.abc import Mapping

from engine.training.loggers.sink import PROJECT, Job, Sink


def start(job: Job) -> Sink:
    """Start a run in Trackio with the name of the folder, or resume the run of that name."""
    import trackio

    project = os.environ.get("TRACKIO_PROJECT", PROJECT)
    run = trackio.init(
        project=project,
        name=job.run_id or job.folder.name,
        config=dict(job.config),
        resume="allow" if job.run_id else "never",
    )

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        run.log({"epoch": epoch, **figures}, step=epoch)

    return Sink(run.name, write, run.finish)
