"""Data of the section `run`."""

from collections.abc import Mapping
from typing import Any

from report.pictures.collect import Pictures
from report.records import NetworkProfile, Report, Result, Run
from report.sections.run import history, profiles, scores
from report.sections.values import entries, number, text

_SETTINGS = {
    "precision": "precision",
    "engine": "engine",
    "scales": "scales",
    "flip": "flip",
    "window": "sliding window",
    "resize": "resized to",
    "compiled": "compiled",
    "weights_sha256": "SHA-256 of the weights",
}
"""Keys of the origin of predictions -> their labels."""
_LONGEST_SETTING = 16
"""Largest number of characters of a setting; as many digits of a hash are enough to tell weights apart."""
_ENVIRONMENT = {
    "began": "started",
    "commit": "commit",
    "system": "system",
    "cpu": "CPU",
    "cpu_count": "CPU cores",
    "memory_gib": "memory (GiB)",
    "gpus": "GPUs",
    "cuda": "CUDA",
    "python": "Python",
}
"""Keys of the environment of a run -> their labels."""


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """JSON content of the section: `runs`, `published` results to compare them with, and profiles of `networks`."""
    del pictures
    networks = _networks(report)
    return {
        "runs": [_run(run, networks) for run in report.runs],
        "published": scores.published(report.published),
        "networks": [profiles.network(profile) for profile in networks],
    }


def _networks(report: Report) -> list[NetworkProfile]:
    """Every network profile once, although several runs may have it."""
    found: list[NetworkProfile] = []
    for profile in [*(profile for run in report.runs for profile in run.profiles), *report.profiles]:
        if profile not in found:
            found.append(profile)
    return found


def _run(run: Run, networks: list[NetworkProfile]) -> dict[str, Any]:
    """A run, with the positions of its profiles in `networks`."""
    results = sorted(run.results, key=lambda result: result is not run.scored)
    return {
        "name": run.name,
        "status": run.status,
        "benchmark": text(run.config.get("benchmark") or (results[0].benchmark if results else None)),
        "facts": _facts(run),
        "faults": [[fault.path, fault.message] for fault in run.faults],
        "options": {name: text(value) for name, value in run.config.items()},
        "environment": _environment(run.environment),
        "history": history.content(run),
        "results": [_result(result, title) for result, title in zip(results, scores.titles(results), strict=True)],
        "networks": [networks.index(profile) for profile in run.profiles],
    }


def _result(result: Result, title: str) -> dict[str, Any]:
    """One result of a run: its scores, the profile of its predictions, and what they were made with."""
    return {
        "key": result.key,
        "title": title,
        "split": result.split,
        "benchmark": result.benchmark,
        "made_with": [[label, text(value)[:_LONGEST_SETTING]] for label, value in entries(result.origin, _SETTINGS)],
        "scores": None if result.scores is None else scores.content(result.scores),
        "profile": None if result.profile is None else profiles.stages(result.profile),
    }


def _facts(run: Run) -> list[list[str]]:
    """Label and text of what is known of a training as a whole."""
    rows, config = run.history, run.config
    facts = [
        ["status", ", ".join(dict.fromkeys(part for part in (run.status, run.progress) if part))],
        ["network", text(config.get("network"))],
        ["benchmark", text(config.get("benchmark"))],
        ["training duration", _training_duration(rows)],
        ["training throughput", _with_unit(_median(rows, "images_per_second"), "images/s")],
        ["GPU memory in training", _with_unit(_most(rows, "gpu_memory_mib"), "MiB")],
        ["process memory in training", _with_unit(_most(rows, "process_memory_mib"), "MiB")],
        ["last change", run.modified],
    ]
    return [[label, value] for label, value in facts if value not in ("", "-")]


def _environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """Label and text of the environment of a run, with the versions of its packages."""
    packages = environment.get("packages")
    versions = dict(packages) if isinstance(packages, Mapping) else {}
    return {label: text(value) for label, value in [*entries(environment, _ENVIRONMENT), *versions.items()]}


def _values(rows: tuple[Mapping[str, Any], ...], column: str) -> list[float]:
    return [value for row in rows if (value := number(row.get(column))) is not None]


def _training_duration(rows: tuple[Mapping[str, Any], ...]) -> str:
    """Duration of all epochs; estimated from the known ones if rows are missing or left out of a very long history."""
    seconds = _values(rows, "seconds")
    if not seconds:
        return ""
    trained = max(len(seconds), history.trained(rows))
    return ("" if len(seconds) == trained else "about ") + _duration(sum(seconds) / len(seconds) * trained)


def _median(rows: tuple[Mapping[str, Any], ...], column: str) -> float | None:
    values = sorted(_values(rows, column))
    return values[len(values) // 2] if values else None


def _most(rows: tuple[Mapping[str, Any], ...], column: str) -> float | None:
    return max(_values(rows, column), default=None)


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def _duration(seconds: float) -> str:
    """Seconds as text, for example `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
