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
    """The columns for these runs: one for the main averages, and one for each other average, frequent ones first."""
    averages = [list(run.scored.scores.averages) for run in runs if run.scored and run.scored.scores]
    others = Counter(name for names in averages for name in names[1:])
    main = _main({name for names in averages for name in names[:1]})
    return [*_OF_TRAINING, main, *(_average(name) for name, _ in others.most_common()), *_OF_COST, *_OF_SETUP]


def _main(names: set[str]) -> Column:
    """The column of main averages, under their name if all have the same."""
    return Column(
        "main",
        names.pop() if len(names) == 1 else "Main average",
        _RESULT,
        "number",
        cells.main_average,
        "The first average of the benchmark and task, with its 95 % bootstrap interval over images. Compare only rows "
        "of the same data set, split, task and average.",
    )


def _average(name: str) -> Column:
    explanation = f"{name} of the scored result."
    return Column(f"average:{name}", name, _RESULT, "number", partial(cells.average, name=name), explanation)


_RESULT = "Scored result (%)"
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
        _RESULT,
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
