import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def test_kernels_give_what_torch_gives() -> None:
    """Run them in a separate process, because the interpreter needs a variable before Triton is imported."""
    pytest.importorskip("triton")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine/kernels"]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
