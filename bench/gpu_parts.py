"""The parts of `python -m bench gpu`; each runs in its own process: `python -m bench.gpu_parts NAME SETTINGS RESULT`.

SETTINGS is a `PartSettings` as JSON. RESULT is the JSON file to which every figure is written as soon as it is known;
its keys are `result`, `failed`, `ended` and `environment`.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from bench import gpu_camvid, gpu_smoke, gpu_tests, scenes
from bench.gpu_settings import PartSettings, SaveResult
from engine.errors import InputError
from engine.files.atomic import write_json

Result = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One part: how to run it and how to print its result."""

    run: Callable[[PartSettings, SaveResult], list[str]]
    """Function that measures, saves results as it goes, and returns messages about what failed."""
    table: Callable[[Result], str]
    """Function that turns a saved result into text to print."""


def roofline(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Measure the roofline of the device: matrix products and copies of random data."""
    import torch

    from engine.devices.process import find_process
    from engine.profiling import roofline as peaks

    # float32 products on a GPU: once with TF32, which torch allows in convolutions by default, and once without.
    kinds = {"fp16": ("16-mixed", "high"), "bf16": ("bf16-mixed", "high"), "tf32": ("32-true", "high")}
    kinds["fp32"] = ("32-true", "highest")
    if settings.rehearse:
        del kinds["fp16"]  # CPUs multiply fp16 slowly
    device = find_process(settings.device, "auto").device
    result: Result = {"what": "TFLOP/s of square matrix products, TB/s read and written by a copy; random data"}
    result |= {"tflops": {}, "copy_tb": 0.0}
    for name, (precision, products) in kinds.items():
        torch.set_float32_matmul_precision(products)
        found = peaks.measure(device, precision, side=settings.sizes.matrix)
        result["tflops"][name] = round(found.flops_per_second / 1e12, 3)
        result["copy_tb"] = max(result["copy_tb"], round(found.bytes_per_second / 1e12, 3))
        save_result(result)
    return []


def _roofline_table(result: Result) -> str:
    products = ", ".join(f"{name} {value}" for name, value in result["tflops"].items())
    return f"  TFLOP/s: {products}; copy {result['copy_tb']} TB/s"


def forward(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Measure the forward pass, side by side with the original network."""
    began = time.monotonic()
    from bench import forward_gpu

    sizes = settings.sizes
    root, kind = _scenes(settings)
    record = forward_gpu.measure(
        root,
        settings.device,
        sizes.scene,
        sizes.matrix,
        contenders=_without_compilers(forward_gpu.CONTENDERS, settings),
        rounds=sizes.rounds,
        repeats=sizes.repeats,
        seconds=_left(settings, began),
        start=settings.start,
        on_progress=lambda found: save_result({"images": kind, **found}),
    )
    return _failures(record)


def training_step(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Measure training steps, side by side with the original loop."""
    began = time.monotonic()
    from bench import training_step as bench

    record = bench.measure(
        "cpu" if settings.rehearse else "cuda",
        settings.sizes.training,
        _without_compilers(bench.CONTENDERS["cuda"], settings),
        rounds=settings.sizes.rounds,
        seconds=_left(settings, began),
        start=settings.start,
        on_progress=save_result,
    )
    return _failures(record)


def prediction(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Measure prediction from PNG to PNG, side by side with the original loop."""
    began = time.monotonic()
    from bench import prediction as bench

    sizes = settings.sizes
    root, kind = _scenes(settings)
    record = bench.measure(
        root,
        settings.device,
        sizes.predicted,
        kind,
        rounds=sizes.rounds,
        seconds=_left(settings, began),
        start=settings.start,
        on_progress=save_result,
    )
    save_result(record)
    return _failures(record)


def _left(settings: PartSettings, began: float) -> float:
    """Seconds that remain for a part's measurement; `began` is its start on the monotonic clock."""
    return settings.seconds - (time.monotonic() - began)


def _scenes(settings: PartSettings) -> tuple[Path, str]:
    """A Cityscapes root with images, and their description; in a rehearsal small drawn ones."""
    real = Path() if settings.rehearse else settings.samples
    return scenes.find(real, settings.work, settings.sizes.scene)


def _without_compilers(contenders: dict[str, str], settings: PartSettings) -> dict[str, str]:
    """The contenders; in a rehearsal without those that torch.compile takes minutes for on a CPU."""
    return {name: one for name, one in contenders.items() if not (settings.rehearse and "compiled" in name)}


def _failures(record: Result) -> list[str]:
    return [f"{name}: {why}" for name, why in record["failed"].items()]


def _table(module: str) -> Callable[[Result], str]:
    """The table function of a bench, which imports it only when there is something to print."""

    def text(result: Result) -> str:
        import importlib

        table: Callable[[Result], str] = importlib.import_module(f"bench.{module}").table
        return table(result)

    return text


PARTS = {
    "roofline": Part(roofline, _roofline_table),
    "smoke": Part(gpu_smoke.run, gpu_smoke.table),
    "tests": Part(gpu_tests.run, gpu_tests.table),
    "forward": Part(forward, _table("forward_gpu")),
    "training_step": Part(training_step, _table("training_step")),
    "prediction": Part(prediction, _table("prediction")),
    "camvid": Part(gpu_camvid.run, gpu_camvid.table),
}


def main(argv: Sequence[str]) -> int:
    """Run one part and write its result file."""
    name, settings, path = argv[0], PartSettings.parse(argv[1]), Path(argv[2])
    written: dict[str, Any] = {"ended": False, "failed": [], "result": {}}

    def save_result(result: Result) -> None:
        written["result"] = result
        write_json(path, written)

    if not settings.rehearse:  # a rehearsal forks this process, and CUDA does not survive a fork
        try:
            written["environment"] = _environment(settings)
        except Exception as error:  # the part may work even if a driver or a package fails here
            print(f"warning: the environment could not be described: {error}", file=sys.stderr)
    save_result({})
    # The deadline counts from the start of this process, so the time for imports is subtracted.
    settings = replace(settings, seconds=settings.seconds - (time.time() - psutil.Process().create_time()))
    try:
        written["failed"] = PARTS[name].run(settings, save_result)
    except InputError as error:
        written["failed"] = [*written["failed"], *error.messages]
    written["ended"] = True
    write_json(path, written)
    # Again, because now all packages are imported; last, so that a failure here cannot lose any figure.
    written["environment"] = _environment(settings)
    write_json(path, written)
    return int(bool(written["failed"]))


def _environment(settings: PartSettings) -> dict[str, Any]:
    from engine import environment

    sys.argv = list(settings.command)  # the command of the whole run; the description leaves out this machine's folders
    found = environment.describe()
    return {**found, "commit": found["commit"] or settings.commit}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
