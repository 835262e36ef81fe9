"""Profile networks at any image size without data: FLOPs, latency, throughput, memory and energy, in one table."""

import engine.cli.interrupts  # noqa: F401  # Ctrl-C during the imports below

import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import catalogue
from engine.checkpoints import About
from engine.cli import options
from engine.cli.command import command
from engine.cli.scoring import remark
from engine.devices.device import SHORT_PRECISIONS, require_compiler
from engine.errors import InputError
from engine.files.atomic import write_json
from engine.profiling.record import NetworkProfile, heading, notes, table
from engine.ranges import Range, out_of_range
from engine.tables import Format

EXAMPLES = (
    "python profile_fcn.py",
    "python profile_fcn.py --network fcn8s,unet --precision 32-true,bf16-mixed",
    "python profile_fcn.py --network fcn8s_paper --size 512x1024 --accelerator cpu --repeats 5",
)
PRECISIONS = ("auto", *SHORT_PRECISIONS.values())

RANGES = {"repeats": Range(2, 1_000_000), "seconds": Range(0, 3600), "largest_batch": Range(1, 65_536)}
"""Option -> allowed numbers."""


@dataclass(frozen=True)
class ProfileOptions:
    """Options of the command."""

    network: str = "fcn8s"
    """networks to profile, separated by commas: names as in train_fcn.py --network, or import paths of your own:
    package.module:build"""
    precision: str = "auto"
    """precisions, separated by commas: auto, 32-true (or fp32: exactly as the network is written), bf16-mixed (bf16),
    16-mixed (fp16)"""
    engine: Literal["auto", "torch", "openvino"] = "auto"
    """inference engine; auto is openvino on a CPU if it is installed and supports the network, otherwise torch"""
    compile: bool = False
    """torch.compile: fused kernels, on a GPU with CUDA graphs; requires a C++ compiler"""
    size: str = "1024x2048"
    """image size: height x width in pixels"""
    benchmark: str = "cityscapes"
    """benchmark, which determines the number of classes"""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """device to measure"""
    repeats: int = 20
    """number of timed predictions for each network and precision"""
    seconds: float = 3.0
    """least duration of each measurement of throughput and energy on a GPU, whose energy counter is updated in steps
    of up to 0.1 seconds; on a CPU only --repeats counts"""
    largest_batch: int = 16
    """largest batch of the throughput measurement, which stops earlier when memory runs out"""
    output: Path = Path("outputs/profile.json")
    """JSON file for the results"""
    format: Format = "text"
    """format of the table on stdout; csv has all digits; with csv, markdown and latex, all other lines go to stderr"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure each network in each precision, each in a new process."""
    chosen = options.parse(
        ProfileOptions,
        argv,
        prog="profile_fcn.py",
        description="Profile networks without data: parameters, MACs, latency, throughput, memory, energy, roofline.",
        examples=EXAMPLES,
    )
    networks = options.names(chosen.network)
    precisions = list(dict.fromkeys(SHORT_PRECISIONS.get(name, name) for name in options.names(chosen.precision)))
    _require_sense(chosen, networks, precisions)
    profiles: list[NetworkProfile] = []
    for name in networks:
        for precision in precisions:
            # A new process, because the peak memory of a process never decreases.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                profiles.append(process.submit(profile, chosen, name, precision).result())
            write_json(chosen.output, [found.to_json() for found in profiles])
            print(f"{name} in {profiles[-1].precision}: done", file=sys.stderr)
    remark(chosen.format, heading(profiles))
    print(table(profiles).render(chosen.format))
    remark(chosen.format, f"{notes(profiles)}\n{chosen.output}: the profiles in full")
    flag = "" if chosen.benchmark == ProfileOptions.benchmark else f" --benchmark {chosen.benchmark}"
    remark(chosen.format, f"next: python train_fcn.py --network {networks[0]}{flag}")
    return 0


def _require_sense(chosen: ProfileOptions, networks: Sequence[str], precisions: Sequence[str]) -> None:
    """Refuse wrong options now, because they would fail after minutes."""
    faults = [
        f"--precision {name}: unknown precision; choose from {', '.join(PRECISIONS)}"
        for name in precisions
        if name not in PRECISIONS
    ]
    faults += out_of_range(vars(chosen), RANGES)
    try:
        options.require_output_file(chosen.output, "profile.json")
        if chosen.output.suffix != ".json":
            faults.append(
                f"--output {chosen.output}: expected a file that ends in .json, for example "
                f"{chosen.output / 'profile.json'}"
            )
    except InputError as error:
        faults.extend(error.messages)
    options.size(chosen.size, "--size")
    if chosen.compile:
        require_compiler()
    classes = len(catalogue.benchmark(chosen.benchmark).classes)
    for name in networks:
        try:
            catalogue.network(name, classes, flag="--network")
        except InputError as error:
            faults.extend(error.messages)
    if faults:
        raise InputError(*faults)


def profile(chosen: ProfileOptions, name: str, precision: str) -> NetworkProfile:
    """The profile of one network in one precision, measured in this process."""
    from engine.profiling.networks import ProfileSettings, measure

    benchmark = catalogue.benchmark(chosen.benchmark)
    classes = len(benchmark.classes)
    about = About.untrained(name, classes, benchmark.name)
    size = options.size(chosen.size, "--size")
    settings = ProfileSettings(
        size,
        chosen.accelerator,
        precision,
        chosen.compile,
        chosen.repeats,
        chosen.largest_batch,
        chosen.engine,
        chosen.seconds,
    )
    return measure(catalogue.network(name, classes), about, benchmark, settings)


if __name__ == "__main__":
    sys.exit(main())
