"""The parts of `python -m bench gpu` one after the other: time for each, deadlines, and what is kept of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import gpu_record, plan
from bench.gpu_record import Record
from bench.gpu_settings import PartSettings
from bench.launch import POLL_SECONDS, Job, ProcessResult, kill_all
from bench.plan import TimeNeed

STEPS = (("roofline",), ("smoke", "tests"), ("forward",), ("training_step",), ("prediction",), ("camvid",))
"""Parts in their order; those of one step run side by side, because they measure nothing."""
TIME_NEEDS = {
    "roofline": TimeNeed("roofline", 25, 40),
    "smoke": TimeNeed("smoke", 90, 200),
    "tests": TimeNeed("tests", 45, 120),
    "forward": TimeNeed("forward", 80, 150),
    "training_step": TimeNeed("training_step", 85, 150),
    "prediction": TimeNeed("prediction", 65, 120),
    "camvid": TimeNeed("camvid", 120, float("inf")),
}
"""Seconds, as long as nothing of it was measured on a GPU."""
WIND_DOWN_SECONDS = 10.0
"""Before a part's deadline, in which it comes to its end by itself; no more than a tenth of its time."""
StartPart = Callable[[str, PartSettings, Path, float], Job]
"""Starts a part: its name, its setting, the file for its result, and the seconds until it is killed."""


def start_part(name: str, settings: PartSettings, result: Path, seconds: float) -> Job:
    """Start a part in a process of its own."""
    arguments = ["-m", "bench.gpu_parts", name, settings.dump(), str(result)]
    # What a killed part leaves behind goes with the folder of the whole run.
    return Job(arguments, seconds, {"TMPDIR": str(settings.work)}, settings.start)


class PartRunner:
    """One call of the command.

    Args:
        setting: what all parts are given.
        record: that everything goes to.
        until: when it is to be over, in seconds since the epoch.
        start: how to start a part.
    """

    def __init__(self, settings: PartSettings, record: Record, deadline: float, start: StartPart = start_part) -> None:
        self._setting, self._record, self._until, self._start = settings, record, deadline, start
        self._results = settings.work / "results"
        self._results.mkdir()

    def all(self, names: Sequence[str]) -> dict[str, str]:
        """Run the parts of these names in their order, each with its share of the time; how each came out."""
        steps = [chosen for step in STEPS if (chosen := [name for name in step if name in names])]
        statuses: dict[str, str] = {}
        for number, step in enumerate(steps):
            given = plan.allocate([_step_need(later) for later in steps[number:]], self._until - time.time())
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
            return f"no time was left for it; it takes {TIME_NEEDS[name].minimum:.0f} s at the least"
        if name == "camvid" and self._setting.root is None:
            return "no --root with CamVid in it was given"
        return None

    def _step(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """Run parts side by side until each has ended or is past its deadline."""
        settings = replace(self._setting, seconds=seconds - min(WIND_DOWN_SECONDS, seconds / 10))
        jobs: dict[str, Job] = {}
        statuses: dict[str, str] = {}
        seen: dict[str, float] = {}
        try:
            for name in names:
                print(f"--- {name}: at most {seconds:.0f} s", flush=True)
                jobs[name] = self._start(name, settings, self._result(name), seconds)
            while jobs:
                for name, job in list(jobs.items()):
                    ended = job.poll()
                    changed = self._changed(name)
                    if ended is not None or changed != seen.get(name):
                        seen[name] = changed
                        statuses[name] = self._record_part(name, job, seconds, ended)
                    if ended is not None:
                        del jobs[name]
                time.sleep(4 * POLL_SECONDS)
        finally:
            kill_all(list(jobs.values()))
        return statuses

    def _record_part(self, name: str, job: Job, allotted: float, ended: ProcessResult | None) -> str:
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


def _step_need(step: Sequence[str]) -> TimeNeed:
    """What a step needs: its parts run side by side."""
    needs = [TIME_NEEDS[name] for name in step]
    return TimeNeed("+".join(step), max(need.minimum for need in needs), max(need.maximum for need in needs))
