"""Latency and memory of runs as they were measured: each with its device, image size and precision."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from report.records import NetworkProfile, Result, Run, StageProfile


class Measurement(NamedTuple):
    """Latency and memory of predictions of one image at a time on one device."""

    device: str
    size: str
    """Width x height of the images."""
    precision: str
    """Precision, and the engine if it is known."""
    forward_ms: float | None
    """Median milliseconds of normalisation, network and argmax: without files and transfer."""
    total_ms: float | None
    """Median milliseconds from the file of the image to the file of the prediction."""
    memory_mib: Mapping[str, float | None]
    """Definition of the peak memory -> MiB, see `engine.devices.memory`."""
    weights: str
    """The weights and images that were used, in words."""


def measurements(run: Run) -> list[Measurement]:
    """The measurements of a run.

    Those of its own weights come first, and among them those of the scored result. Of several on the same device with
    the same size and precision, the first one is kept.
    """
    found: dict[tuple[str, str, str], Measurement] = {}
    for measured in (*_of_results(run), *map(_of_network, run.profiles)):
        found.setdefault((measured.device, measured.size, measured.precision), measured)
    return list(found.values())


def _of_results(run: Run) -> Iterator[Measurement]:
    for result in sorted(run.results, key=lambda result: result is not run.scored):
        if result.profile is not None:
            yield _of_stages(result.profile, result)


def _of_stages(profile: StageProfile, result: Result) -> Measurement:
    milliseconds = {stage: of.get("median") for stage, of in profile.stages.items()}
    engine = result.origin.get("engine")
    return Measurement(
        profile.device,
        profile.size,
        _joined(profile.precision, engine if isinstance(engine, str) else ""),
        milliseconds.get("forward"),
        milliseconds.get("total"),
        profile.memory_mib,
        f"weights of the run, images of {result.key}",
    )


def _of_network(profile: NetworkProfile) -> Measurement:
    content = profile.content
    compiled = "compiled" if content.get("compiled") is True else ""
    return Measurement(
        content["device"],
        size(profile),
        _joined(content["precision"], content["engine"], compiled),
        content["latency_ms"]["median"],
        content.get("stages_ms", {}).get("total", {}).get("median"),
        content["memory_mib"],
        "random weights, synthetic images",
    )


def size(profile: NetworkProfile) -> str:
    """Width x height of the images of a profile."""
    height, width = profile.content["size"]
    return f"{width}x{height}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
