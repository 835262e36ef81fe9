"""What may run a network on a CPU, side by side: time, memory and agreement, also as on a processor without AVX-512."""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import race
from bench.forward import Result, Stage
from bench.launch import Process, Start, fresh
from cityscapes.labels import LABEL_ID_OF

WAYS = {
    "network as written": "ancestor",
    "torch, folded norms": "exact",
    "torch bf16": "bf16",
    "own kernels": "ours",
    "OpenVINO": "openvino",
    "OpenVINO bf16": "openvino-bf16",
    "onnxruntime": "onnxruntime",
}
"""Contender -> its name in `bench.contenders.forward`."""
SIZES = ((1024, 2048), (512, 1024))
"""The second with all instructions only."""
INSTRUCTIONS: dict[str, dict[str, str]] = {
    "all instructions": {},
    "AVX2 only": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
"""Which vector instructions libraries may use -> the environment variables that tell them."""
NOT_LIMITED = {"onnxruntime", "OpenVINO bf16"}
"""Contenders that the variables do not limit: they look at the processor themselves."""


def run(samples: Path, rounds: int = 2, repeats: int = 2) -> dict[str, Any]:
    """Time all contenders in turn on the same image.

    Raises:
        InputError: if there are no real images, or a contender fails.
    """
    tables: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage.set_up(Path(folder), samples / "cityscapes")
        for instructions, variables in INSTRUCTIONS.items():
            limited = stage._replace(start=_with(variables))
            ways = {name: way for name, way in WAYS.items() if not variables or name not in NOT_LIMITED}
            for size in SIZES[:1] if variables else SIZES:
                results: dict[str, list[Result]] = {name: [] for name in ways}
                for _ in range(rounds):
                    for name, way in ways.items():
                        results[name].append(limited.result(way, size, repeats))
                tables[f"{size[0]}x{size[1]}, {instructions}"] = _rows(results)
    return {
        "what": f"FCN-8s of random weights, one real image, uint8 in and ids out, {repeats} times in each of {rounds} "
        "processes after once to warm up",
        "tables": tables,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    lines = [record["what"]]
    for title, rows in record["tables"].items():
        lines.append(f"{title}:")
        lines += [
            f"  {name:<20} {row['seconds']:6.2f} s {row['times_as_fast']:6.2f} x {row['peak_mib']:6} MiB in all "
            f"{row['image_mib']:6} MiB for the image  {row['equal_pixels']:9.4%} equal"
            for name, row in rows.items()
        ]
    return "\n".join(lines)


def _with(variables: Mapping[str, str]) -> Start:
    """Starts processes with these environment variables."""

    def start(words: Sequence[str], out: Path, error: Path, more: Mapping[str, str]) -> Process:
        return fresh(words, out, error, {**variables, **more})

    return start


def _rows(results: dict[str, list[Result]]) -> dict[str, dict[str, float]]:
    seconds = {name: [statistics.median(one.seconds) for one in those] for name, those in results.items()}
    ratios = race.ratios(seconds, "network as written")
    expected = LABEL_ID_OF[results["network as written"][0].ids]
    return {
        name: {
            "seconds": round(statistics.median(seconds[name]), 3),
            "times_as_fast": ratios[name],
            "peak_mib": round(statistics.median(one.peak for one in those)),
            "image_mib": round(statistics.median(one.growth for one in those)),
            "equal_pixels": 1.0 if name == "network as written" else float((expected == those[0].ids).mean()),
        }
        for name, those in results.items()
    }
