"""Profiles: of the stages of a prediction by test_fcn.py, and of networks by profile_fcn.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.files.documents import read_json
from report.records import NetworkProfile, StageProfile
from report.sources.plain import MAX_JSON_BYTES, count, mapping, number, plain, short, text

_TOTAL = "total"
_TEXTS = ("network", "device", "engine", "precision")
_COUNTS = ("classes", "parameters", "macs")
_FIGURES = ("latency_ms", "memory_mib", "roofline")


def is_networks(content: Any) -> bool:
    """Whether the content of a JSON file is the output of profile_fcn.py."""
    return isinstance(content, list) and bool(content) and isinstance(content[0], dict) and "latency_ms" in content[0]


def read_stages(path: Path) -> StageProfile:
    """The profile of test_fcn.py.

    Raises:
        InputError: if it cannot be read.
        TypeError, ValueError: if its content is of another form.
    """
    content = mapping(read_json(path, MAX_JSON_BYTES))
    stages = _stages(content.get("milliseconds"))
    return StageProfile(
        path=path,
        stages=stages,
        memory_mib={kind: number(of) for kind, of in mapping(plain(content.get("memory_mib", {}))).items()},
        device=text(plain(content.get("device"))),
        precision=text(plain(content.get("precision"))),
        size=", ".join(map(text, plain(content.get("image_size", [])))),
        images=count(content.get("images")),
        environment=mapping(plain(content.get("environment", {}))),
    )


def _stages(content: Any) -> dict[str, dict[str, float]]:
    """Stage -> median and p95 in milliseconds, with the total last."""
    found = {short(stage): _durations(of) for stage, of in mapping(content).items()}
    if _TOTAL not in found:
        raise ValueError("expected the total of the stages")
    return {**{stage: of for stage, of in found.items() if stage != _TOTAL}, _TOTAL: found[_TOTAL]}


def _durations(content: Any) -> dict[str, float]:
    durations = {name: number(mapping(content).get(name)) for name in ("median", "p95")}
    if wrong := [name for name, value in durations.items() if value is None or value < 0]:
        raise ValueError(f"expected milliseconds as {' and '.join(wrong)} of each stage")
    return {name: value for name, value in durations.items() if value is not None}


def read_networks(path: Path, content: list[Any]) -> list[NetworkProfile]:
    """The profiles in the output of profile_fcn.py.

    Raises:
        TypeError, ValueError: if the content is of another form.
    """
    return [_network(path, mapping(plain(one))) for one in content]


def _network(path: Path, content: dict[str, Any]) -> NetworkProfile:
    """One profile, whose figures are numbers."""
    wrong = [name for name in _TEXTS if not text(content.get(name))]
    wrong += [name for name in _COUNTS if not count(content.get(name))]
    wrong += [name for name in _FIGURES if not _is_figures(content.get(name))]
    if _numbers(content.get("size")) != 2:
        wrong.append("size")
    if wrong:
        raise ValueError(f"a profile of a network with no or a wrong {', '.join(wrong)}")
    _require_positive(content["latency_ms"], "median")
    content["stages_ms"] = _stages(content.get("stages_ms"))
    content["throughput"] = _throughput(content.get("throughput"))
    for name in ("not_measured", "environment"):
        content[name] = mapping(content.get(name, {}))
    return NetworkProfile(path, content["network"], content)


def _throughput(content: Any) -> dict[str, Any]:
    """The batch sizes that were tried, and the best one."""
    tried = [mapping(batch) for batch in mapping(content).get("tried", [])]
    best = mapping(mapping(content).get("best"))
    for batch in (*tried, best):
        if not count(batch.get("batch_size")) or number(batch.get("images_per_second")) is None:
            raise ValueError("expected batch sizes with their images per second")
    return {"tried": tried, "best": best}


def _require_positive(content: Mapping[str, Any], name: str) -> None:
    if not (number(content.get(name)) or 0) > 0:
        raise ValueError(f"expected a {name} above 0")


def _is_figures(content: Any) -> bool:
    """Whether content is names and numbers, or None where something was not measured."""
    return isinstance(content, dict) and all(of is None or number(of) is not None for of in content.values())


def _numbers(content: Any) -> int:
    """Number of sizes in a list."""
    return sum(count(of) > 0 for of in content) if isinstance(content, list) else 0
