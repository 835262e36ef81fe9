"""Runs the tests marked `gpu`; other test files are not collected, because they may need packages that are missing."""

import re
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.gpu_settings import PartSettings, SaveResult
from bench.launch import Job

_MARK = "mark.gpu"
_FIRST, _LAST = "test_kernels_on_gpu.py", "test_network.py"
"""Test files that run first, because they matter most, and last, because torch.compile takes long."""
_KEEP_EVERY = 2.0
"""Seconds between two readings of the outcomes so far."""
_OUTCOME = re.compile(r"^(\S+\.py::.+?) (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)", re.MULTILINE)


def files(tests: Path) -> list[Path]:
    """Files with tests marked `gpu`, in the order in which they run."""
    paths = [path for path in tests.rglob("test_*.py") if _MARK in path.read_text()]
    return sorted(paths, key=lambda path: (path.name != _FIRST, path.name == _LAST, path))


def run(settings: PartSettings, save_result: SaveResult) -> list[str]:
    """Run the tests and save the outcome of each.

    Returns:
        Messages about what failed.
    """
    paths = [str(path.relative_to(REPOSITORY)) for path in files(REPOSITORY / "tests")]
    # Warnings are not errors here: a warning of another package must not cost the time on a GPU.
    arguments = ["-m", "pytest", "-v", "-m", "gpu", "-W", "default", "-p", "no:cacheprovider", *paths]
    result: dict[str, Any] = {"command": "python " + " ".join(arguments), "code": None, "seconds": 0.0, "outcomes": {}}
    job = Job(arguments, settings.seconds, start=settings.start)
    kept = 0.0

    def watch() -> None:
        nonlocal kept
        if job.seconds - kept > _KEEP_EVERY:
            kept = job.seconds
            save_result(result | {"seconds": round(kept, 1), "outcomes": dict(_OUTCOME.findall(job.out))})

    ended = job.wait(watch)
    outcomes = dict(_OUTCOME.findall(ended.out))
    result |= {"code": ended.code, "seconds": round(ended.seconds, 1), "outcomes": outcomes}
    if ended.code != 0:
        result["end"] = f"{ended.out[-6000:]}{ended.error[-1500:]}"
    save_result(result)
    failed = [f"{name}: {outcome}" for name, outcome in outcomes.items() if outcome in ("FAILED", "ERROR")]
    if ended.code is None:
        failed.append("the tests were killed at their deadline")
    elif ended.code and not failed:
        failed.append(f"pytest ended with code {ended.code}: {' '.join(ended.out.split()[-30:])}")
    return failed


def table(result: dict[str, Any]) -> str:
    """The result as text to print."""
    outcomes = list(result["outcomes"].values())
    counts = ", ".join(f"{outcomes.count(name)} {name.lower()}" for name in dict.fromkeys(outcomes))
    return f"  {counts or 'no test'} in {result['seconds']:.0f} s"
