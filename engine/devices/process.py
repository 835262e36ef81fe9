"""Where a prediction runs: the device and precision of a process, and its part of the work."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.devices.device import choose

_HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Process:
    """One process of those that predict."""

    device: torch.device
    precision: str = "32-true"
    """As Lightning Fabric names it: 32-true, bf16-mixed or 16-mixed."""
    rank: int = 0
    """Its number."""
    world_size: int = 1
    """How many there are."""
    barrier: Callable[[], None] = lambda: None
    """Waits for all of them."""

    def autocast(self) -> torch.autocast:
        """A context in which layers compute in the precision."""
        half = _HALVES.get(self.precision)
        return torch.autocast(self.device.type, half, enabled=half is not None)


def find_process(accelerator: str, precision: str) -> Process:
    """Take this process's part of the work, on one device or, under torchrun or SLURM's srun, one of many.

    A process that is alone does without Lightning Fabric, whose import takes seconds and more than 100 MiB.

    Args:
        accelerator: auto, cpu or gpu.
        precision: 32-true, bf16-mixed, 16-mixed or auto: 16-mixed on GPUs, else 32-true.

    Raises:
        InputError: if there is no such device, or SLURM's settings do not say what goes where.
    """
    if precision == "auto" and accelerator != "cpu" and torch.cuda.is_available():
        precision = "16-mixed"  # as fast as bf16, and the same classes as float32 on more pixels: docs/inference.md
    if int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1"))) > 1:
        from engine.devices.fabric import make_fabric, precision_of

        fabric = make_fabric(accelerator, precision)
        process = Process(fabric.device, precision_of(fabric), fabric.global_rank, fabric.world_size, fabric.barrier)
    else:
        kind, precision = choose(accelerator, precision)
        process = Process(torch.device("cuda:0" if kind == "cuda" else kind), precision)
    if process.precision == "32-true":  # all of float32's bits, where GPUs would leave out 13 of 23 (TF32)
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
    return process
