"""Everything that must be measured on a GPU, by one command that ends in time: `python -m bench gpu`."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from bench import REPOSITORY, gpu_record, plan, weight_files
from bench.gpu_parts import PARTS
from bench.gpu_record import Record
from bench.gpu_setting import Setting
from bench.gpu_smoke import CHAINS
from bench.launch import POLL_SECONDS, Ended, Job
from bench.plan import Need
from engine.faults import InputError, command
from engine.files import require_writable
from engine.options import tool_parser

RESULTS = REPOSITORY / "docs" / "results"
STEPS = (("ceilings",), ("smoke", "tests"), ("forward",), ("training_step",), ("prediction",), ("camvid",))
"""Parts in their order; those of one step run side by side, because they measure nothing."""
NEEDS = {
    "ceilings": Need("ceilings", 15, 40),
    "smoke": Need("smoke", 90, 200),
    "tests": Need("tests", 45, 120),
    "forward": Need("forward", 50, 150),
    "training_step": Need("training_step", 50, 150),
    "prediction": Need("prediction", 40, 120),
    "camvid": Need("camvid", 120, float("inf")),
}
"""Seconds, as long as nothing of it was measured on a GPU."""
END_SECONDS = 8.0
"""Kept back for the last record and the end of the process."""
WIND_DOWN_SECONDS = 10.0
"""Before a part's deadline, in which it comes to its end by itself; no more than a tenth of its time."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for, or join weights that came back in parts."""
    chosen = _parser().parse_args(argv)
    if chosen.join is not None:
        for path in weight_files.join(chosen.join):
            print(path)
        return 0
    if chosen.merge:
        print(gpu_record.merge(chosen.merge, (chosen.output or RESULTS) / "gpu.json"))
        return 0
    if chosen.minutes <= 0:
        raise InputError(f"--minutes {chosen.minutes}: expected more than 0")
    began = psutil.Process().create_time()
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder, _stoppable():
        setting = _setting(chosen, Path(folder), list(sys.argv[1:] if argv is None else argv))
        require_writable(setting.output)
        record = Record(setting.output / "gpu.json")
        run = Run(setting, record, began + 60 * chosen.minutes - END_SECONDS)
        statuses = run.all(chosen.parts)
    print("\n".join([_summary(record, statuses), f"{record.path}: the record in full"]))
    bad = {gpu_record.FAILED, gpu_record.KILLED} & set(statuses.values())
    unmeasured = chosen.rehearse and gpu_record.SKIPPED in statuses.values()
    if not bad and not unmeasured and chosen.rehearse:
        print("rehearsed")
    return int(bool(bad or unmeasured))


Launch = Callable[[str, Setting, Path, float], Job]
"""Starts a part: its name, its setting, the file for its result, and the seconds until it is killed."""


def launch(name: str, setting: Setting, result: Path, seconds: float) -> Job:
    """Start a part in a process of its own."""
    return Job(["-m", "bench.gpu_parts", name, setting.dump(), str(result)], seconds, start=setting.start)


class Run:
    """One call of the command.

    Args:
        setting: what all parts are given.
        record: that everything goes to.
        until: when it is to be over, in seconds since the epoch.
        start: how to start a part.
    """

    def __init__(self, setting: Setting, record: Record, until: float, start: Launch = launch) -> None:
        self._setting, self._record, self._until, self._start = setting, record, until, start
        self._results = setting.work / "results"
        self._results.mkdir()

    def all(self, names: Sequence[str]) -> dict[str, str]:
        """Run the parts of these names in their order, each with its share of the time; how each came out."""
        steps = [chosen for step in STEPS if (chosen := [name for name in step if name in names])]
        statuses: dict[str, str] = {}
        for number, step in enumerate(steps):
            given = plan.allot([_need(later) for later in steps[number:]], self._until - time.time())
            seconds = given.get("+".join(step), 0.0)
            for name in step:
                if reason := self._reason_to_skip(name, seconds):
                    statuses[name] = gpu_record.SKIPPED
                    self._record.put(name, {"status": gpu_record.SKIPPED, "failed": [reason]})
                    print(f"--- {name}: skipped: {reason}", flush=True)
            left = [name for name in step if name not in statuses]
            statuses |= self._step(left, seconds)
        return statuses

    def _reason_to_skip(self, name: str, seconds: float) -> str | None:
        if not seconds:
            return f"no time was left for it; it takes {NEEDS[name].least:.0f} s at the least"
        if name == "camvid" and self._setting.root is None:
            return "no --root with CamVid in it was given"
        return None

    def _step(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """Run parts side by side until each has ended or is past its deadline."""
        setting = replace(self._setting, seconds=seconds - min(WIND_DOWN_SECONDS, seconds / 10))
        jobs: dict[str, Job] = {}
        statuses: dict[str, str] = {}
        seen: dict[str, float] = {}
        try:
            for name in names:
                print(f"--- {name}: at most {seconds:.0f} s", flush=True)
                jobs[name] = self._start(name, setting, self._result(name), seconds)
            while jobs:
                for name, job in list(jobs.items()):
                    ended = job.poll()
                    changed = self._changed(name)
                    if ended is not None or changed != seen.get(name):
                        seen[name] = changed
                        statuses[name] = self._put(name, job, seconds, ended)
                    if ended is not None:
                        del jobs[name]
                time.sleep(4 * POLL_SECONDS)
        finally:
            for job in jobs.values():
                job.kill()
        return statuses

    def _put(self, name: str, job: Job, allotted: float, ended: Ended | None) -> str:
        """Record what a part has found so far, and its end; how it came out."""
        found = gpu_record.read_result(self._result(name))
        entry: dict[str, Any] = {
            "status": "running",
            "seconds": round(job.seconds, 1),
            "seconds_allotted": round(allotted, 1),
            "rehearsal": self._setting.rehearse,
            **found,
        }
        if ended is not None:
            entry["status"] = gpu_record.status(found["ended"], ended.code, found["failed"])
            if not found["ended"]:
                entry["error"] = ended.error[-3000:].replace(str(self._setting.work), "WORK")
            if ended.code is None:
                entry["failed"] = [*found["failed"], f"killed at its deadline, after {ended.seconds:.0f} s"]
            print(f"--- {name}: {entry['status']} after {ended.seconds:.1f} s", flush=True)
        del entry["ended"]
        self._record.put(name, entry)
        return str(entry["status"])

    def _result(self, name: str) -> Path:
        return self._results / f"{name}.json"

    def _changed(self, name: str) -> float:
        """When a part last wrote something."""
        path = self._result(name)
        return path.stat().st_mtime_ns if path.is_file() else 0


def _need(step: Sequence[str]) -> Need:
    """What a step needs: its parts run side by side."""
    needs = [NEEDS[name] for name in step]
    return Need("+".join(step), max(need.least for need in needs), max(need.most for need in needs))


def _summary(record: Record, statuses: Mapping[str, str]) -> str:
    """What was found, as text to print."""
    lines = []
    for name, status in statuses.items():
        entry = record.parts[name]
        lines.append(f"=== {name}: {status}, {entry.get('seconds', 0)} s")
        with contextlib.suppress(KeyError):  # of a part that had not got far
            lines.append(PARTS[name].table(entry.get("result", {})))
        lines += [f"  FAILED: {message.strip().splitlines()[0][:200]}" for message in entry.get("failed", ())]
        if "error" in entry:
            lines.append("\n".join(entry["error"].strip().splitlines()[-3:]))
    return "\n".join(lines)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """A SIGTERM ends this process as Ctrl-C does, so that it takes the parts with it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _setting(chosen: argparse.Namespace, work: Path, words: list[str]) -> Setting:
    """What the parts are given.

    Raises:
        InputError: if there is no GPU to measure.
    """
    import torch

    if chosen.rehearse:
        _prepare_to_fork(work)
    elif not torch.cuda.is_available():
        raise InputError("no CUDA device found; check nvidia-smi, or give --rehearse to run every line on the CPU")
    root = work / "rehearsed" if chosen.rehearse and chosen.root is None else chosen.root
    output = chosen.output or (REPOSITORY / "outputs" / "gpu-rehearsal" if chosen.rehearse else RESULTS)
    if chosen.rehearse and output.resolve() == RESULTS:
        raise InputError(f"--output {output}: that is where figures of a GPU are; give another folder for a rehearsal")
    return Setting(
        seconds=0.0,
        work=work,
        output=output.resolve(),
        samples=chosen.samples.resolve(),
        root=None if root is None else root.resolve(),
        rehearse=chosen.rehearse,
        parallel=2 if chosen.rehearse else 10,
        chains=tuple(chosen.chains),
        networks=tuple(chosen.networks),
        seeds=tuple(chosen.seeds),
        command=("python", "-m", "bench", "gpu", *words),
        commit=chosen.commit,
    )


def _prepare_to_fork(work: Path) -> None:
    """Import once what all commands import, draw a CamVid, and use no threads, which would not survive a fork."""
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
        "Measure everything that takes a GPU, in the time given; each figure is kept the moment it is there.",
        [
            "python -m bench gpu --root data",
            "python -m bench gpu --parts ceilings smoke tests forward training_step prediction --minutes 5",
            "python -m bench gpu --parts camvid --root data --minutes 8",
            "python -m bench gpu --rehearse",
            "python -m bench gpu --merge call-a/gpu.json call-b/gpu.json",
            "python -m bench gpu --join call-b",
        ],
    )
    samples = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument("--minutes", type=float, default=14.0, help="for all, the start included (14)")
    parser.add_argument("--rehearse", action="store_true", help="run every line at toy size on a CPU")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (all)")
    parser.add_argument("--output", type=Path, help="folder for gpu.json and weights (docs/results)")
    parser.add_argument("--samples", type=Path, default=samples, help="folder of real data; else SEGMENTATION_DATA")
    parser.add_argument("--root", type=Path, help="folder that has CamVid as PNG, 11 classes; without it no camvid")
    parser.add_argument("--chains", nargs="+", choices=CHAINS, default=[], metavar="CHAIN", help="of smoke (all)")
    parser.add_argument("--networks", nargs="+", choices=("fcn8s", "unet"), default=["fcn8s", "unet"], help="of camvid")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of camvid (0 1 2)")
    parser.add_argument("--commit", help="of this source tree, for the record, where git is not there to say it")
    parser.add_argument("--merge", nargs="+", type=Path, default=[], metavar="FILE", help="only add other gpu.json")
    parser.add_argument("--join", type=Path, metavar="DIR", help="only join the parts of weights in a folder")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
