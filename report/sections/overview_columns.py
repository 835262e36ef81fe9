"""Columns of the table of runs, with their explanations."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from report.records import Run
from report.sections import overview_cells as cells
from report.sections.overview_cells import Cell


class Column(NamedTuple):
    """A column of a table."""

    key: str
    heading: str
    group: str
    kind: Literal["text", "number"]
    cell: Callable[[Run], Cell]
    explanation: str


def columns(runs: tuple[Run, ...]) -> list[Column]:
    """The columns for these runs: one for each average that any of their scored results has, frequent ones first."""
    scores = [run.scored.scores for run in runs if run.scored and run.scored.scores]
    averages = Counter(name for of in scores for name in of.averages)
    return [*_OF_TRAINING, *(_average(name) for name, _ in averages.most_common()), *_OF_COST, *_OF_SETUP]


def _average(name: str) -> Column:
    return Column(
        f"average:{name}",
        name,
        "Scored result (%)",
        "number",
        partial(cells.average, name=name),
        f"{name} of the scored result. Below the main average: its 95 % bootstrap interval over images.",
    )


_OF_TRAINING = (
    Column(
        "name", "Run", "Run", "text", cells.name, "Name of the run folder, with its progress. It opens the run below."
    ),
    Column("status", "Status", "Run", "text", cells.status, "Whether the training is complete, unfinished or damaged."),
    Column("network", "Network", "Training", "text", cells.network, "Name of the network in the catalogue."),
    Column("benchmark", "Data set", "Training", "text", cells.data_set, "Benchmark, with the split for training."),
    Column(
        "best",
        "Val mIoU (%)",
        "Training",
        "number",
        cells.best,
        "Highest mean IoU on validation images during training, with its epoch. The scored result may have other "
        "images, sizes or weights.",
    ),
    Column(
        "scored",
        "Split, task",
        "Scored result (%)",
        "text",
        cells.scored,
        "Split and task of the scored result that stands for the run, with the number of images. Section One run has "
        "all results.",
    ),
)
_OF_COST = (
    Column(
        "parameters",
        "Parameters (M)",
        "Cost",
        "number",
        cells.parameters,
        "Millions of parameters, from profile_fcn.py.",
    ),
    Column(
        "macs",
        "MACs (G)",
        "Cost",
        "number",
        cells.macs,
        "Billions of multiply-accumulate operations of one image of the size below.",
    ),
    Column(
        "latency",
        "Latency (ms)",
        "Cost",
        "number",
        cells.latency,
        "Median of one image on the device: normalisation, network and argmax, without files and transfer. Compare "
        "only rows with the same device and image size.",
    ),
    Column(
        "memory",
        "Memory (MiB)",
        "Cost",
        "number",
        cells.memory,
        "Peak memory of the process; other definitions are below it.",
    ),
    Column(
        "device",
        "Device",
        "Cost",
        "text",
        cells.device,
        "Device of latency and memory, with the weights and images that were used.",
    ),
)
_OF_SETUP = (
    Column(
        "backbone",
        "Backbone",
        "Setup",
        "text",
        cells.backbone,
        "Backbone of the network, with the weights that training started from.",
    ),
    Column(
        "recipe",
        "Recipe",
        "Setup",
        "text",
        cells.recipe_and_options,
        "Recipe in the training's last command, with the main options.",
    ),
    Column("date", "Changed", "Setup", "text", cells.changed, "Date of the last change of the run (UTC)."),
    Column("commit", "Commit", "Setup", "text", cells.commit, "Commit of the program at the last start."),
)
