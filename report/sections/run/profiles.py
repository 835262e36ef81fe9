"""Profiles: stages and memory of predictions, and networks in the roofline model."""

from collections.abc import Mapping, Sequence
from typing import Any

from report.records import NetworkProfile, StageProfile
from report.sections.values import number, text


def stages(profile: StageProfile) -> dict[str, Any]:
    """Stages and memory of the predictions of a result.

    Keys: `about` (device, precision, size and number of images in words), `stages` (name, median and p95 in
    milliseconds of each, without the total), `total` (the same of the total, or None), `memory` (kind and MiB).
    """
    about = [profile.device, profile.precision, profile.size, f"{profile.images} images" if profile.images else ""]
    return {
        "about": ", ".join(part for part in about if part),
        **_stages(profile.stages),
        "memory": _memory(profile.memory_mib, {}),
    }


def network(profile: NetworkProfile) -> dict[str, Any]:
    """Profile of a network on random weights.

    Keys: those of `stages`, `network`, `device`, `precision`, `size`, `figures` (label and text of each figure), and
    `roofline`, see `_roofline`, or None.
    """
    content = profile.content
    size = content.get("size")
    side = f"{size[1]}x{size[0]}" if isinstance(size, Sequence) and len(size) == 2 else ""
    facts = [content.get("device"), content.get("engine"), content.get("precision"), side]
    return {
        "network": profile.network,
        "device": text(content.get("device")),
        "precision": text(content.get("precision")),
        "engine": text(content.get("engine")),
        "compiled": content.get("compiled") is True,
        "size": side,
        "about": ", ".join(text(fact) for fact in facts if fact),
        **_stages(_mapping(content, "stages_ms")),
        "memory": _memory(_mapping(content, "memory_mib"), _mapping(content, "not_measured")),
        "figures": _figures(content),
        "roofline": _roofline(content),
    }


def _stages(found: Mapping[str, Any]) -> dict[str, Any]:
    """`stages` and `total` of stage -> median and p95; a stage without a median is left out."""
    rows: list[list[Any]] = [
        [name, number(of.get("median")), number(of.get("p95"))]
        for name, of in found.items()
        if isinstance(of, Mapping) and number(of.get("median")) is not None
    ]
    return {
        "stages": [row for row in rows if row[0] != "total"],
        "total": next((row for row in rows if row[0] == "total"), None),
    }


def _memory(found: Mapping[str, Any], reasons: Mapping[str, Any]) -> list[list[Any]]:
    """Kind, peak in MiB, and the reason if it was not measured."""
    return [[kind, number(value), text(reasons[kind]) if kind in reasons else ""] for kind, value in found.items()]


def _figures(content: Mapping[str, Any]) -> list[list[Any]]:
    """Label, value and number of decimals of the figures of a network that are known."""
    latency, roofline = _mapping(content, "latency_ms"), _mapping(content, "roofline")
    best = _mapping(_mapping(content, "throughput"), "best")
    found: list[list[Any]] = [
        ["parameters (M)", _scaled(content.get("parameters"), 1e-6), 1],
        ["GMAC of an image", _scaled(content.get("macs"), 1e-9), 1],
        ["latency, median (ms)", number(latency.get("median")), 1],
        ["latency, quartiles (ms)", [number(latency.get("quartile_1")), number(latency.get("quartile_3"))], 1],
        ["throughput (images/s)", number(best.get("images_per_second")), 2],
        ["at batch size", number(best.get("batch_size")), 0],
        ["energy of an image (J)", number(best.get("joules_per_image")), 2],
        ["share of peak FLOP/s (%)", _scaled(roofline.get("share_of_peak_flops"), 100), 1],
        ["share of peak bandwidth (%)", _scaled(roofline.get("share_of_peak_bandwidth"), 100), 1],
        ["times the least possible latency", number(roofline.get("times_the_floor")), 2],
    ]
    return [row for row in found if row[1] is not None and row[1] != [None, None]]


def _roofline(content: Mapping[str, Any]) -> dict[str, float] | None:
    """Point and ceilings of a network in the roofline model (Williams, Waterman and Patterson, 2009); None if unknown.

    Keys: `intensity`, FLOP of the network for each byte that it must move at least; `achieved`, FLOP/s; `flops`, the
    ceiling of arithmetic in FLOP/s; `bytes`, the slope of the ceiling of memory in bytes/s.
    """
    roofline = _mapping(content, "roofline")
    macs, least = number(content.get("macs")), number(roofline.get("least_bytes"))
    found = {
        "intensity": number(2 * macs / least) if macs and least else None,
        "achieved": number(roofline.get("achieved_flops_per_second")),
        "flops": number(roofline.get("peak_flops_per_second")),
        "bytes": number(roofline.get("peak_bytes_per_second")),
    }
    known = {name: value for name, value in found.items() if value is not None and value > 0}
    return known if len(known) == len(found) else None


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key; an empty one if there is none."""
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}


def _scaled(value: object, factor: float) -> float | None:
    found = number(value)
    return None if found is None else number(found * factor)
