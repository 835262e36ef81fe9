"""Work on one or many devices by Lightning Fabric."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from engine.devices.device import choose
from engine.errors import InputError


def make_fabric(accelerator: str, precision: str) -> Fabric:
    """Start Lightning Fabric in this process: alone, or as one of many under torchrun or SLURM's srun.

    Args:
        accelerator: auto, cpu or gpu.
        precision: a Lightning Fabric precision, or auto: on GPUs bf16-mixed, or 16-mixed if they only emulate bf16;
            on CPUs 32-true.

    Raises:
        InputError: if there is no such device, or SLURM's settings do not define the processes of each machine.
    """
    kind, precision = choose(accelerator, precision)
    torch.backends.cudnn.benchmark = kind == "cuda"  # all crops have one size, so one search is enough
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    world, local = _processes()
    fabric = Fabric(
        accelerator=kind,
        strategy="ddp" if world > 1 else "auto",
        devices=local,
        num_nodes=world // local,
        precision=precision,  # type: ignore[arg-type]  # checked by the options
    )
    fabric.launch()
    return fabric


def _processes() -> tuple[int, int]:
    """Number of processes that the launcher has started: in total, and on each machine."""
    if "WORLD_SIZE" in os.environ or not SLURMEnvironment.detect():  # torchrun may itself run under srun
        world = int(os.environ.get("WORLD_SIZE", "1"))
        return world, int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    tasks = int(os.environ["SLURM_NTASKS"])
    if tasks > 1 and "SLURM_STEP_ID" not in os.environ:
        raise InputError(
            f"SLURM has {tasks} tasks for this job, but this process was started without srun and would wait for the "
            "others forever; write `srun python train_fcn.py ...`"
        )
    if tasks > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise InputError(
            f"SLURM has {tasks} tasks for this job, but does not say how many on each machine; "
            "give `#SBATCH --ntasks-per-node` instead of `--ntasks`"
        )
    return tasks, int(os.environ.get("SLURM_NTASKS_PER_NODE", str(tasks)))


_WORKER = re.compile(r"DataLoader worker \(pid")
"""Beginning of torch's error when a worker process that loads images has died; it can occur at any point."""
_MEMORY = "can't allocate memory"
"""Part of torch's error for a lack of memory on a CPU; on a GPU it has an error class."""
_LOST = re.compile("connection (closed|reset)|broken pipe|remote process|timed out|timeout", re.IGNORECASE)
"""Parts of the errors of communication backends when another process has ended."""


@contextmanager
def distributed_errors(fabric: Fabric) -> Iterator[None]:
    """Context for work of all processes of a job: if one fails, the others end too, and messages name the process.

    Raises:
        InputError: with the number of the process before each message; also if another process or a worker that loads
            images has ended, or memory is exhausted.
    """
    who = f"process {fabric.global_rank} of {fabric.world_size}"
    try:
        yield
    except InputError as error:
        if fabric.world_size == 1:
            raise
        raise InputError(*(f"{who}: {message}" for message in error.messages)) from error
    except RuntimeError as error:
        if (reason := _of_memory(error)) is not None:
            raise InputError(reason if fabric.world_size == 1 else f"{who}: {reason}") from error
        lost = isinstance(error, torch.distributed.DistError) or _LOST.search(str(error))
        if fabric.world_size == 1 or not lost:
            raise
        raise InputError(f"{who}: stopped because another process has ended; see its message") from error


def _of_memory(error: RuntimeError) -> str | None:
    """The message for an error that a lack of memory causes; None for all other errors."""
    said = (str(error).splitlines() or [""])[0].rstrip(" .")
    kept = "the last saved state is kept"
    if _WORKER.search(said):
        return f"{said}; if the system ran out of memory or of room in /dev/shm, give fewer --workers; {kept}"
    if isinstance(error, torch.OutOfMemoryError) or _MEMORY in said:
        return f"{said}; give a smaller --batch_size or --crop_size, or --data_on workers; {kept}"
    return None


def all_sum(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all processes, as a new tensor.

    Fabric's `all_reduce` is not used, because it overwrites its argument and first makes the host wait in a barrier.
    """
    total = values.clone()
    if fabric.world_size > 1:
        torch.distributed.all_reduce(total)
    return total


def precision_of(fabric: Fabric) -> str:
    """The precision of the work, by its name in Lightning Fabric."""
    return str(fabric.strategy.precision.precision)


def progress_bar_disabled(fabric: Fabric) -> bool | None:
    """The argument `disable` of tqdm: progress bars on the first process only, and only in a terminal."""
    return None if fabric.is_global_zero else True
