"""The device and precision of a process that predicts, and its rank among several."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.devices.device import choose

_HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Process:
    """One process of a prediction: its device, its precision and its rank."""

    device: torch.device
    """Device that runs the network."""
    precision: str = "32-true"
    """Precision by its name in Lightning Fabric: 32-true, bf16-mixed or 16-mixed."""
    rank: int = 0
    """Number of this process, from 0."""
    world_size: int = 1
    """Number of processes in total."""
    barrier: Callable[[], None] = lambda: None
    """Function that waits for all processes."""

    def autocast(self) -> torch.autocast:
        """A context in which layers compute in this precision."""
        half = _HALVES.get(self.precision)
        return torch.autocast(self.device.type, half, enabled=half is not None)


def find_process(accelerator: str, precision: str) -> Process:
    """The device, precision and rank of this process: alone, or one of many under torchrun or SLURM's srun.

    A single process does not import Lightning Fabric, which takes seconds and more than 100 MiB.

    Args:
        accelerator: auto, cpu or gpu.
        precision: 32-true, bf16-mixed, 16-mixed or auto: 16-mixed on GPUs, otherwise 32-true.

    Raises:
        InputError: if there is no such device, or SLURM's settings do not define the processes of each machine.
    """
    if precision == "auto" and accelerator != "cpu" and torch.cuda.is_available():
        precision = "16-mixed"  # as fast as bf16, and closer to float32: docs/inference.md
    if int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1"))) > 1:
        from engine.devices.fabric import make_fabric, precision_of

        fabric = make_fabric(accelerator, precision)
        process = Process(fabric.device, precision_of(fabric), fabric.global_rank, fabric.world_size, fabric.barrier)
    else:
        kind, precision = choose(accelerator, precision)
        process = Process(torch.device("cuda:0" if kind == "cuda" else kind), precision)
    if process.precision == "32-true":  # no TF32, which drops 13 of the 23 bits of the mantissa
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
    return process
