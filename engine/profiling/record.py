"""The profile of a network: a record, its JSON, and several of them as a table."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.devices.memory import Memory
from engine.profiling.flops import FlopCount
from engine.profiling.roofline import Peaks
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd


class Spread(NamedTuple):
    """Durations of repeated runs in milliseconds: median, extremes and quartiles."""

    median: float
    """Median in milliseconds."""
    least: float
    """Fastest run in milliseconds."""
    quartile_1: float
    """First quartile in milliseconds."""
    quartile_3: float
    """Third quartile in milliseconds."""
    most: float
    """Slowest run in milliseconds."""


@dataclass(frozen=True)
class Throughput:
    """Throughput and energy of predictions of one batch size, without waiting in between."""

    batch_size: int
    images_per_second: float
    """Images per second; 0 if memory was not sufficient."""
    joules_per_image: float | None
    """Energy of the whole GPU per image in joules; None if no driver reports it."""
    stopped: str | None = None
    """Reason why this size was not measured, which is `memory`; otherwise None."""

    def to_json(self) -> dict[str, Any]:
        """JSON content, without `stopped` if it is None."""
        content = asdict(self)
        if self.stopped is None:
            del content["stopped"]
        return content


@dataclass(frozen=True)
class Roofline:
    """Latency compared with the peaks of the device, by the roofline model."""

    peak_flops_per_second: float
    """Fastest matrix product measured, in FLOPs per second."""
    peak_bytes_per_second: float
    """Fastest copy measured, in bytes read and written per second."""
    least_bytes: int
    """Least bytes to read and write over all layers: inputs, weights and outputs, each once."""
    achieved_flops_per_second: float
    """FLOPs of the network divided by its latency."""
    share_of_peak_flops: float
    """Achieved FLOPs per second divided by the peak, from 0 to 1."""
    share_of_peak_bandwidth: float
    """Least bytes divided by the latency, divided by the peak, from 0 to 1."""
    floor_ms: float
    """Least milliseconds of all layers, one after the other."""
    times_the_floor: float
    """Latency divided by the floor."""

    @classmethod
    def of(cls, flop_count: FlopCount, peaks: Peaks, itemsize: int, seconds: float) -> "Roofline":
        """Compare a latency with the peaks of the device.

        Args:
            flop_count: of the network.
            peaks: of the device.
            itemsize: bytes of an element.
            seconds: latency of one image.
        """
        floor, traffic = flop_count.floor_seconds(*peaks, itemsize), itemsize * flop_count.elements
        return cls(
            peak_flops_per_second=peaks.flops_per_second,
            peak_bytes_per_second=peaks.bytes_per_second,
            least_bytes=traffic,
            achieved_flops_per_second=flop_count.flops / seconds,
            share_of_peak_flops=flop_count.flops / seconds / peaks.flops_per_second,
            share_of_peak_bandwidth=traffic / seconds / peaks.bytes_per_second,
            floor_ms=1000 * floor,
            times_the_floor=seconds / floor,
        )


@dataclass(frozen=True)
class NetworkProfile:
    """Profile of one network in one precision on one machine."""

    network: str
    classes: int
    size: tuple[int, int]
    """Height and width of the image."""
    device: str
    engine: str
    """Engine that ran the network: torch or openvino."""
    precision: str
    asked_precision: str
    """Requested precision, for example auto."""
    compiled: bool
    protocol: str
    """Description of the measurement."""
    repeats: int
    """Number of timed predictions."""
    warm_up: int
    """Number of untimed predictions before the timed ones."""
    parameters: int
    macs: int
    """Multiply-accumulate operations (MACs) of one image."""
    latency: Spread
    throughput: tuple[Throughput, ...]
    """Throughput of each batch size that was tried."""
    stages: dict[str, dict[str, float]]
    """Stage -> median and p95 in milliseconds."""
    memory: Memory
    not_measured: dict[str, str]
    """Figure -> reason why it could not be measured."""
    roofline: Roofline
    environment: dict[str, Any]

    @property
    def best(self) -> Throughput:
        """The batch size with the most images per second."""
        return max(self.throughput, key=lambda batch: batch.images_per_second)

    def to_json(self) -> dict[str, Any]:
        """JSON content; docs/profiling.md defines the figures."""
        return {
            "network": self.network,
            "classes": self.classes,
            "size": list(self.size),
            "device": self.device,
            "engine": self.engine,
            "precision": self.precision,
            "asked_precision": self.asked_precision,
            "compiled": self.compiled,
            "protocol": self.protocol,
            "repeats": self.repeats,
            "warm_up": self.warm_up,
            "parameters": self.parameters,
            "macs": self.macs,
            "latency_ms": self.latency._asdict(),
            "throughput": {"tried": [batch.to_json() for batch in self.throughput], "best": self.best.to_json()},
            "stages_ms": self.stages,
            "memory_mib": self.memory,
            "not_measured": self.not_measured,
            "roofline": asdict(self.roofline),
            "environment": self.environment,
        }


COLUMNS: dict[str, Callable[[Any], str]] = {
    "network": str,
    "precision": str,
    "Mparam": "{:.1f}".format,
    "GMAC": "{:.1f}".format,
    "ms": "{:.1f}".format,
    "images/s": "{:.2f}".format,
    "batch": str,
    "allocated": "{:.0f}".format,
    "reserved": "{:.0f}".format,
    "process": "{:.0f}".format,
    "J/image": "{:.2f}".format,
    "of peak": "{:.0%}".format,
    "x floor": "{:.2f}".format,
}
"""Heading of a table of profiles -> the function that turns values of the column into text."""
EXPLAINED = (
    "of peak: share of the fastest matrix product measured here; x floor: times the least time that arithmetic and "
    "memory traffic allow; memory in MiB"
)
"""Explanation of columns below a table."""


def table(profiles: Sequence[NetworkProfile]) -> Table:
    """A table with one row per profile; memory in MiB, None for figures that could not be measured."""
    rows = [_values(profile) for profile in profiles]
    return Table({name: [row[name] for row in rows] for name in COLUMNS}, COLUMNS)


def to_dataframe(profiles: Sequence[NetworkProfile]) -> "pd.DataFrame":
    """The exact figures with one row per profile and the columns of `COLUMNS`, which docs/profiling.md defines."""
    return table(profiles).to_dataframe()


def heading(profiles: Sequence[NetworkProfile]) -> str:
    """The line above a table: device, image size and repeats."""
    first = profiles[0]
    height, width = first.size
    compiled = ", compiled" if first.compiled else ""
    return f"{first.device}, images of {height}x{width}, median of {first.repeats}, random weights{compiled}"


def notes(profiles: Sequence[NetworkProfile]) -> str:
    """Lines below a table: reasons for missing figures, each once, and the explanation of the columns."""
    reasons = {f"{name}: {why}": None for profile in profiles for name, why in profile.not_measured.items()}
    return "\n".join([*reasons, EXPLAINED])


def _values(profile: NetworkProfile) -> dict[str, Any]:
    """Heading -> exact value."""
    best = profile.best
    return {
        "network": profile.network,
        "precision": profile.precision,
        "Mparam": profile.parameters / 1e6,
        "GMAC": profile.macs / 1e9,
        "ms": profile.latency.median,
        "images/s": best.images_per_second,
        "batch": best.batch_size,
        "allocated": profile.memory["allocated"],
        "reserved": profile.memory["reserved"],
        "process": profile.memory["process"],
        "J/image": best.joules_per_image,
        "of peak": profile.roofline.share_of_peak_flops,
        "x floor": profile.roofline.times_the_floor,
    }
