"""MLflow logger, configured by MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and other variables of MLflow."""

import os
import time
from collections.abc import Mapping

from engine.training.loggers.sink import PROJECT, Job, Sink


def start(job: Job) -> Sink:
    """Start a run in MLflow with the options as parameters, or resume that of an earlier start."""
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    run_id = job.run_id
    if run_id is None:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = client.get_experiment_by_name(name)
        experiment_id = client.create_experiment(name) if experiment is None else experiment.experiment_id
        run_id = client.create_run(experiment_id, run_name=job.folder.name).info.run_id
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in job.config.items()])
    else:
        client.update_run(run_id, status="RUNNING")

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        client.log_batch(run_id, metrics=[Metric(key, value, now, epoch) for key, value in figures.items()])

    return Sink(run_id, write, lambda: client.set_terminated(run_id))
