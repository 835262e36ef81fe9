import ast
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import REPOSITORY, gpu_tests
from bench.launch import Job, ProcessResult
from tests.bench.test_gpu import settings

MISSING_THERE = {"cityscapesscripts", "cv2", "onnx", "onnxruntime", "onnxscript"}
"""Packages that some tests need and a machine with a GPU may lack."""
OUTPUT = """
tests/engine/training/test_metrics.py::test_a_gpu_counts PASSED [ 33%]
tests/engine/inference/test_network.py::test_images[False and more] FAILED [ 66%]
tests/engine/inference/test_network.py::test_images[True] SKIPPED (needs a CUDA device) [100%]
"""


def result_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: ProcessResult
) -> tuple[list[str], dict[str, Any]]:
    kept: list[dict[str, Any]] = []

    class Done:
        def __init__(self, arguments: list[str], limit: float, start: object) -> None:
            assert {"gpu", "default", "no:cacheprovider"} < set(arguments)
            assert limit == 30

        def wait(self, watch: Callable[[], None]) -> ProcessResult:
            for number, self.seconds in enumerate((0.1, 1.0, 2.1, 2.2, 4.2)):
                self.out = "\n".join(ended.out.splitlines()[: number + 1])
                watch()
            return ended

    monkeypatch.setattr(gpu_tests, "Job", Done)
    failed = gpu_tests.run(replace(settings(tmp_path), seconds=30), kept.append)
    assert [len(result["outcomes"]) for result in kept[:-1]] == [min(2, ended.out.count("::")), ended.out.count("::")]
    assert [result["seconds"] for result in kept[:-1]] == [2.1, 4.2], "every two seconds"
    return failed, kept[-1]


def test_the_outcome_of_each_test_is_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed, result = result_of(monkeypatch, tmp_path, ProcessResult(1, 9.0, OUTPUT, "trace"))
    assert list(result["outcomes"].values()) == ["PASSED", "FAILED", "SKIPPED"]
    assert failed == ["tests/engine/inference/test_network.py::test_images[False and more]: FAILED"]
    assert result["end"].endswith("trace")
    assert gpu_tests.table(result) == "  1 passed, 1 failed, 1 skipped in 9 s"


def test_outcomes_before_a_deadline_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passed = OUTPUT.splitlines()[1]
    failed, result = result_of(monkeypatch, tmp_path, ProcessResult(None, 30.0, passed, ""))
    assert result["outcomes"] == {"tests/engine/training/test_metrics.py::test_a_gpu_counts": "PASSED"}
    assert failed == ["the tests were killed at their deadline"]


def test_tests_that_cannot_be_collected_count_as_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed, _ = result_of(monkeypatch, tmp_path, ProcessResult(2, 3.0, "ERROR tests/a.py - ModuleNotFoundError", ""))
    assert "code 2" in failed[0]
    assert "ModuleNotFoundError" in failed[0]


def test_only_files_with_gpu_tests_are_run() -> None:
    names = {path.name for path in gpu_tests.files(REPOSITORY / "tests")}
    assert {"test_metrics.py", "test_network.py"} <= names
    assert "test_plan.py" not in names


def test_kernels_are_tested_first_and_compiled_networks_last() -> None:
    first, *others, last = gpu_tests.files(REPOSITORY / "tests")
    assert (first.name, last.name) == ("test_kernels_on_gpu.py", "test_network.py")
    assert others == sorted(others)


def test_an_outcome_is_available_as_soon_as_its_test_ends(tmp_path: Path) -> None:
    """This fails if pytest buffers its output."""
    path = tmp_path / "test_some.py"
    path.write_text("import time\ndef test_quick(): pass\ndef test_slow(): time.sleep(60)\n")
    job = Job(["-m", "pytest", "-v", "-p", "no:cacheprovider", str(path)], 60)
    deadline = time.monotonic() + 50
    while not gpu_tests._OUTCOME.findall(job.out) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = job.out
    job.kill()
    assert [outcome for _, outcome in gpu_tests._OUTCOME.findall(found)] == ["PASSED"]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_every_test_file_imports_without_optional_packages(path: Path) -> None:
    """A failing import at the top of one file would end the run of all tests."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    assert not names & MISSING_THERE, "use pytest.importorskip"
