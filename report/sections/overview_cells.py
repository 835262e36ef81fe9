"""Cells of the table of runs: each has the text that is read, the value that is sorted, and a note below it."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NamedTuple

from engine.findings import counted
from report.records import NetworkProfile, Run
from report.sections.measurements import Measurement, measurements, size

BACKBONES = {
    **dict.fromkeys(("fcn32s", "fcn16s", "fcn8s"), "VGG11-BN"),
    **dict.fromkeys(("fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16"), "VGG16"),
    **dict.fromkeys(("fcn32s_vgg16_bn", "fcn16s_vgg16_bn", "fcn8s_vgg16_bn"), "VGG16-BN"),
    **dict.fromkeys(("fcn32s_paper", "fcn16s_paper", "fcn8s_paper", "fcn8s_paper_at_once"), "VGG16, fc6 and fc7"),
    **dict.fromkeys(("unet", "unet_valid"), "none"),
}
"""Network of the catalogue -> its backbone. The catalogue itself imports torch, which the report does without."""


class Cell(NamedTuple):
    """A cell of a table."""

    text: str = "-"
    value: float | str | None = None
    """Value for sorting; None for the text itself."""
    note: str = ""


def text(value: Any) -> str:
    """An option as text; of a path only its name, and empty for a list or mapping."""
    if isinstance(value, bool) or value is None or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, str):
        return PurePath(value).name if value.startswith(("/", "~")) else value[:200]
    return f"{value:g}"


def benchmark(run: Run) -> str:
    """Name of the benchmark of a run; empty if it is unknown."""
    of_results = (result.benchmark for result in run.results if result.benchmark)
    return text(run.config.get("benchmark")) or next(of_results, "")


def recipe(environment: Mapping[str, Any]) -> str:
    """The recipe in the command of a training; empty if there is none."""
    command = environment.get("command")
    words = [word for word in command if isinstance(word, str)] if isinstance(command, list) else []
    for word, following in pairwise([*words, ""]):
        if word == "--recipe":
            return text(following)
        if word.startswith("--recipe="):
            return text(word.removeprefix("--recipe="))
    return ""


def name(run: Run) -> Cell:
    """Name of the run, with its progress, unless that is its status."""
    return Cell(run.name, note="" if run.progress == run.status else run.progress)


def status(run: Run) -> Cell:
    """Status of the run."""
    return Cell(run.status)


def network(run: Run) -> Cell:
    """Name of the network."""
    return Cell(text(run.config.get("network")) or "-")


def backbone(run: Run) -> Cell:
    """Backbone, with the weights that training started from."""
    return Cell(BACKBONES.get(text(run.config.get("network")), "-"), note=_start(run.config))


def _start(config: Mapping[str, Any]) -> str:
    """The weights that a training started from, in words."""
    if not config:
        return ""
    if initial := text(config.get("initial_weights")):
        return f"from {PurePath(initial).name}"
    weights = text(config.get("backbone_weights"))
    if weights == "none" or BACKBONES.get(text(config.get("network"))) == "none":
        return "random weights"
    return (
        "ImageNet weights" if weights in {"auto", "imagenet"} else f"from {PurePath(weights).name}" if weights else ""
    )


def data_set(run: Run) -> Cell:
    """Benchmark, with the training split."""
    split = text(run.config.get("train_split"))
    return Cell(benchmark(run) or "-", note=f"trained on {split}" if split else "")


def recipe_and_options(run: Run) -> Cell:
    """Recipe, with the main options."""
    option = {name: text(value) for name, value in run.config.items()}
    parts = [
        f"{option['epochs']} epochs" if option.get("epochs") else "",
        f"crop {option['crop_size']}" if option.get("crop_size") else "",
        f"batch {option['batch_size']}" if option.get("batch_size") else "",
        " ".join(filter(None, (option.get("optimizer"), option.get("learning_rate")))),
        option.get("loss", ""),
    ]
    return Cell(recipe(run.environment) or "-", note=", ".join(filter(None, parts)))


def best(run: Run) -> Cell:
    """Best validation mIoU, with its epoch."""
    if run.best is None:
        return Cell()
    return _share(run.best["val_miou"], f"epoch {run.best['epoch']}")


def scored(run: Run) -> Cell:
    """Split and task of the scored result, with its weights and number of images."""
    if run.scored is None or run.scored.scores is None:
        return Cell()
    scores = run.scored.scores
    others = sum(result.scores is not None for result in run.results) - 1
    parts = [
        f"{run.scored.weights} weights" if run.scored.weights else "",
        scores.coverage.partition(",")[0],
        {None: "", True: "the official set", False: "not the official set"}[scores.official],
        counted(others, "more result") if others else "",
    ]
    return Cell(f"{run.scored.split or '-'}, {scores.task}", note=", ".join(filter(None, parts)))


def main_average(run: Run) -> Cell:
    """The main average of the scored result, with its name and bootstrap interval."""
    scores = run.scored.scores if run.scored else None
    if scores is None or not scores.averages:
        return Cell()
    name, score = next(iter(scores.averages.items()))
    low, high = scores.interval or (None, None)
    return _share(score, name if low is None or high is None else f"{name}, {100 * low:.1f} to {100 * high:.1f}")


def average(run: Run, name: str) -> Cell:
    """Another average of the scored result; none if it is the main one."""
    scores = run.scored.scores if run.scored else None
    if scores is None or name not in list(scores.averages)[1:]:
        return Cell()
    return _share(scores.averages[name])


def parameters(run: Run) -> Cell:
    """Millions of parameters."""
    profile = next(iter(run.profiles), None)
    if profile is None:
        return Cell()
    classes = profile.content.get("classes")
    differs = run.classes and classes != len(run.classes)
    return _count(profile.content["parameters"], 1e6, f"of {classes} classes" if differs else "")


def macs(run: Run) -> Cell:
    """Billions of MACs, with the image size."""
    profile: NetworkProfile | None = next(iter(run.profiles), None)
    return Cell() if profile is None else _count(profile.content["macs"], 1e9, size(profile))


def _count(value: float, unit: float, note: str) -> Cell:
    return Cell(f"{value / unit:.2f}", value, note)


def latency(run: Run) -> Cell:
    """Milliseconds of the first measurement, with its image size and precision."""
    measured = _first(run)
    if measured is None or measured.forward_ms is None:
        return Cell()
    return Cell(f"{measured.forward_ms:.1f}", measured.forward_ms, f"{measured.size}, {measured.precision}")


def memory(run: Run) -> Cell:
    """MiB of the process in the first measurement; other definitions are the note."""
    measured = _first(run)
    if measured is None:
        return Cell()
    process = measured.memory_mib.get("process")
    other = [f"{kind} {mib:.0f}" for kind, mib in measured.memory_mib.items() if kind != "process" and mib is not None]
    return Cell("-" if process is None else f"{process:.0f}", process, ", ".join(other))


def device(run: Run) -> Cell:
    """Device of the first measurement."""
    measured = _first(run)
    return Cell() if measured is None else Cell(measured.device or "-", note=measured.weights)


def _first(run: Run) -> Measurement | None:
    return next(iter(measurements(run)), None)


def changed(run: Run) -> Cell:
    """Date of the last change."""
    return Cell(run.modified or "-")


def commit(run: Run) -> Cell:
    """Commit of the last start."""
    return Cell(text(run.environment.get("commit")) or "-")


def _share(value: float | None, note: str = "") -> Cell:
    return Cell() if value is None else Cell(f"{100 * value:.1f}", value, note)
