"""All measurements that need a GPU, in one command with a time limit: `python -m bench gpu`."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

from bench import REPOSITORY, gpu_record, weight_files
from bench.gpu_parts import PARTS
from bench.gpu_record import Record
from bench.gpu_run import PartRunner
from bench.gpu_settings import PartSettings
from bench.gpu_smoke import CHAINS
from engine.cli.command import command
from engine.cli.options import tool_parser
from engine.errors import InputError
from engine.files.atomic import require_writable

RESULTS = REPOSITORY / "docs" / "results"
END_SECONDS = 8.0
"""Seconds reserved for writing the last record and ending the process."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen parts; or merge records, or join weights that were copied back in parts."""
    options = _parser().parse_args(argv)
    if options.join is not None:
        for path in weight_files.join(options.join):
            print(path)
        return 0
    if options.merge:
        print(gpu_record.merge(options.merge, (options.output or RESULTS) / "gpu.json"))
        return 0
    if options.minutes <= 0:
        raise InputError(f"--minutes {options.minutes}: expected more than 0")
    began = psutil.Process().create_time()
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder, _stoppable():
        settings = _part_settings(options, Path(folder), list(sys.argv[1:] if argv is None else argv))
        require_writable(settings.output)
        record = Record(settings.output / "gpu.json")
        run = PartRunner(settings, record, began + 60 * options.minutes - END_SECONDS)
        statuses = run.all(options.parts)
    print("\n".join([_summary(record, statuses), f"{record.path}: the record in full"]))
    bad = {gpu_record.FAILED, gpu_record.KILLED} & set(statuses.values())
    unmeasured = options.rehearse and gpu_record.SKIPPED in statuses.values()
    if not bad and not unmeasured and options.rehearse:
        print("rehearsed")
    return int(bool(bad or unmeasured))


def _summary(record: Record, statuses: Mapping[str, str]) -> str:
    """The results of all parts as text to print."""
    lines = []
    for name, status in statuses.items():
        entry = record.parts[name]
        if status == gpu_record.SKIPPED:  # figures of an earlier call stay in the record and are not printed
            lines += [
                f"=== {name}: {status}",
                *(f"  {reason}" for reason in entry.get("skipped_later") or entry.get("failed", ())),
            ]
            continue
        lines.append(f"=== {name}: {status}, {entry.get('seconds', 0)} s")
        with contextlib.suppress(KeyError):  # the result of a part that had hardly begun lacks keys
            lines.append(PARTS[name].table(entry.get("result", {})))
        lines += [f"  FAILED: {message.strip().splitlines()[0][:200]}" for message in entry.get("failed", ())]
        if "error" in entry:
            lines.append("\n".join(entry["error"].strip().splitlines()[-3:]))
    return "\n".join(lines)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Make SIGTERM end this process as Ctrl-C does, so that the processes of the parts are killed too."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _part_settings(options: argparse.Namespace, work: Path, arguments: list[str]) -> PartSettings:
    """Settings for the parts, from the command line.

    Raises:
        InputError: if there is no GPU, or a rehearsal would write where figures of a GPU are.
    """
    import torch

    if options.rehearse:
        _prepare_to_fork(work)
    elif not torch.cuda.is_available():
        raise InputError(
            "no CUDA device found; check nvidia-smi, or pass --rehearse to run every part at toy size on the CPU"
        )
    root = work / "rehearsed" if options.rehearse and options.root is None else options.root
    output = options.output or (REPOSITORY / "outputs" / "gpu-rehearsal" if options.rehearse else RESULTS)
    if options.rehearse and output.resolve() == RESULTS:
        raise InputError(f"--output {output}: holds the figures of GPUs; choose another folder for a rehearsal")
    return PartSettings(
        seconds=0.0,
        work=work,
        output=output.resolve(),
        samples=options.samples.resolve(),
        root=None if root is None else root.resolve(),
        rehearse=options.rehearse,
        parallel=2 if options.rehearse else 14,
        chains=tuple(options.chains),
        networks=tuple(options.networks),
        seeds=tuple(options.seeds),
        command=("python", "-m", "bench", "gpu", *arguments),
        commit=options.commit,
    )


def _prepare_to_fork(work: Path) -> None:
    """Import the commands once, draw a toy CamVid, and use one thread only, because threads do not survive a fork."""
    import torch

    import profile_fcn  # noqa: F401
    import test_fcn  # noqa: F401
    import train_fcn  # noqa: F401
    from bench import scenes

    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    torch.set_num_threads(1)
    scenes.draw_camvid(work / "rehearsed", (64, 96), train=8, val=2, test=2)


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "bench gpu",
        "Run all measurements that need a GPU within a time limit; every figure is saved as soon as it is known.",
        [
            "python -m bench gpu --root data",
            "python -m bench gpu --parts roofline forward training_step prediction --minutes 4.8",
            "python -m bench gpu --parts smoke tests camvid --root data --minutes 7",
            "python -m bench gpu --rehearse",
            "python -m bench gpu --merge call-a/gpu.json call-b/gpu.json",
            "python -m bench gpu --join call-b",
        ],
    )
    samples = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument(
        "--minutes",
        type=float,
        default=14.0,
        help="time limit for all parts, including the start of Python (default: 14)",
    )
    parser.add_argument("--rehearse", action="store_true", help="dry run: run every part at toy size on a CPU")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    parser.add_argument("--output", type=Path, help="output folder for gpu.json and weights (default: docs/results)")
    parser.add_argument(
        "--samples",
        type=Path,
        default=samples,
        help="folder of real data (default: environment variable SEGMENTATION_DATA)",
    )
    parser.add_argument(
        "--root", type=Path, help="data folder with CamVid as PNG files, 11 classes; the part camvid needs it"
    )
    parser.add_argument(
        "--chains",
        nargs="+",
        choices=CHAINS,
        default=[],
        metavar="CHAIN",
        help="command chains of smoke (default: all)",
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=("fcn8s", "unet"),
        default=["fcn8s", "unet"],
        help="networks of camvid (default: both)",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="seeds of camvid (default: 0 1 2)")
    parser.add_argument("--commit", help="commit of this source tree for the record, if git is missing")
    parser.add_argument(
        "--merge",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="merge these gpu.json files into the record, and do nothing else",
    )
    parser.add_argument(
        "--join", type=Path, metavar="DIR", help="join weights that were copied back in parts, and do nothing else"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
