"""Runs the parts of `python -m bench gpu` one after the other: allocates time, enforces deadlines, records results."""

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
"""Parts in their order; the parts of one step run at the same time, because they do not time anything."""
TIME_NEEDS = {
    "roofline": TimeNeed("roofline", 25, 40),
    "smoke": TimeNeed("smoke", 90, 200),
    "tests": TimeNeed("tests", 45, 120),
    "forward": TimeNeed("forward", 80, 150),
    "training_step": TimeNeed("training_step", 85, 150),
    "prediction": TimeNeed("prediction", 65, 120),
    "camvid": TimeNeed("camvid", 120, float("inf")),
}
"""Estimated seconds of each part; not yet measured on a GPU."""
WIND_DOWN_SECONDS = 10.0
"""Seconds before a part's deadline in which it should end by itself; at most a tenth of its time."""
StartPart = Callable[[str, PartSettings, Path, float], Job]
"""Function that starts a part, given its name, its settings, its result file and the seconds until it is killed."""


def start_part(name: str, settings: PartSettings, result: Path, seconds: float) -> Job:
    """Start a part in its own process."""
    arguments = ["-m", "bench.gpu_parts", name, settings.dump(), str(result)]
    # Temporary files of a killed part are removed together with the folder of the whole run.
    return Job(arguments, seconds, {"TMPDIR": str(settings.work)}, settings.start)


class PartRunner:
    """Runner of the parts for one call of the command.

    Args:
        settings: settings for all parts.
        record: record that all results are written to.
        deadline: end of the call, in seconds since 1970.
        start: function that starts a part.
    """

    def __init__(self, settings: PartSettings, record: Record, deadline: float, start: StartPart = start_part) -> None:
        self._setting, self._record, self._until, self._start = settings, record, deadline, start
        self._results = settings.work / "results"
        self._results.mkdir()

    def all(self, names: Sequence[str]) -> dict[str, str]:
        """Run the named parts in their order, each with its share of the time; return the status of each."""
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
            return f"no time was left for it; it needs at least {TIME_NEEDS[name].minimum:.0f} s"
        if name == "camvid" and self._setting.root is None:
            return "no --root with CamVid was given"
        return None

    def _step(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """Run parts at the same time until each has ended or its deadline has passed."""
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
        """Record the results of a part so far, and its end if it has ended; return its status."""
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
        """Time of the last change of a part's result file, in nanoseconds; 0 if there is none."""
        path = self._result(name)
        return path.stat().st_mtime_ns if path.is_file() else 0


def _step_need(step: Sequence[str]) -> TimeNeed:
    """Time that a step needs, whose parts run at the same time."""
    needs = [TIME_NEEDS[name] for name in step]
    return TimeNeed("+".join(step), max(need.minimum for need in needs), max(need.maximum for need in needs))
