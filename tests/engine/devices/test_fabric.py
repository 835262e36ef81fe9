"""Sums over several processes, which must not change what they sum up, nor make the host wait."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PROGRAM = """
import torch
from engine.devices.fabric import all_sum, make_fabric
from engine.training.metrics import Tally

fabric = make_fabric("cpu", "32-true")

def barrier(*_args, **_kwargs):
    raise SystemExit("a barrier, in which the host waits")

torch.distributed.barrier = barrier
tally = Tally(2, 255, fabric.device)
logits = torch.tensor([[[[1.0]], [[0.0]]]])
tally.add(torch.tensor(1.0), logits, torch.zeros(1, 1, 1, dtype=torch.int64))
for _ in range(3):
    state = tally.state(fabric)
    assert state["losses"].tolist() == [2.0, 2.0], state
    assert state["counts"].sum() == 2, state
values = torch.ones(2)
assert all_sum(fabric, values).tolist() == [2.0, 2.0]
assert values.tolist() == [1.0, 1.0]
"""


def test_sums_over_processes_leave_their_parts_as_they_are(tmp_path: Path) -> None:
    """As Fabric's `all_reduce` works in place, a second save within an epoch counted everything twice."""
    (tmp_path / "program.py").write_text(PROGRAM)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*torchrun, str(tmp_path / "program.py")],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
