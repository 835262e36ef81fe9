"""Profiles of networks side by side, as text."""

from collections.abc import Sequence
from typing import Any

COLUMNS = {
    "network": 22,
    "precision": 12,
    "Mparam": 8,
    "GMAC": 9,
    "ms": 10,
    "images/s": 10,
    "batch": 6,
    "allocated": 10,
    "reserved": 10,
    "process": 9,
    "J/image": 9,
    "of peak": 8,
    "x floor": 8,
}
"""Heading -> width."""


def table(profiles: Sequence[dict[str, Any]]) -> str:
    """One line a profile; memory in MiB, a dash for what cannot be measured there, and below why it cannot."""
    first = profiles[0]
    height, width = first["size"]
    heading = f"{first['device']}, images of {height}x{width}, median of {first['repeats']}, random weights"
    heading += ", compiled" if first["compiled"] else ""
    names = "".join(f"{name:<{room}}" if room > 10 else f"{name:>{room}}" for name, room in COLUMNS.items())
    reasons = {f"{name}: {why}": None for profile in profiles for name, why in profile["not_measured"].items()}
    return "\n".join([heading, names.rstrip(), *(_line(profile) for profile in profiles), *reasons])


def _line(profile: dict[str, Any]) -> str:
    best, memory = profile["throughput"]["best"], profile["memory_mib"]
    cells = {
        "network": profile["network"],
        "precision": profile["precision"],
        "Mparam": f"{profile['parameters'] / 1e6:.1f}",
        "GMAC": f"{profile['macs'] / 1e9:.1f}",
        "ms": f"{profile['latency_ms']['median']:.1f}",
        "images/s": f"{best['images_per_second']:.2f}",
        "batch": str(best["batch_size"]),
        **{name: _number(memory[name], ".0f") for name in ("allocated", "reserved", "process")},
        "J/image": _number(best["joules_per_image"], ".2f"),
        "of peak": f"{profile['roofline']['share_of_matrix_ceiling']:.0%}",
        "x floor": f"{profile['roofline']['times_the_floor']:.2f}",
    }
    return "".join(
        f"{cells[name]:<{room}}" if room > 10 else f"{cells[name]:>{room}}" for name, room in COLUMNS.items()
    ).rstrip()


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
