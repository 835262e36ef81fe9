"""Where the work runs and in which precision."""

import logging
import os
import warnings

import torch
from lightning_fabric import Fabric

from engine.faults import InputError


def make_fabric(accelerator: str, precision: str) -> Fabric:
    """Start one process's part of the work, on one device or, under torchrun, one of many.

    Args:
        accelerator: auto, cpu or gpu.
        precision: a Lightning Fabric precision, or auto: bf16-mixed on GPUs that have it, else 32-true.

    Raises:
        InputError: if there is no such device.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise InputError("--accelerator gpu: no CUDA device found; check nvidia-smi, or give --accelerator cpu")
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    if precision == "auto":
        precision = "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    if on_gpu:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    fabric = Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        strategy="ddp" if world > 1 else "auto",
        devices=local,
        num_nodes=world // local,
        precision=precision,  # type: ignore[arg-type]  # checked by the options
    )
    fabric.launch()
    return fabric


def precision_of(fabric: Fabric) -> str:
    """The precision that the work runs in, as Fabric names it."""
    return str(fabric.strategy.precision.precision)
