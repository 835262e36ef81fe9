"""Train some steps on random images, and print the time in seconds.

Usage: `python -m bench.contenders.training_step CONTENDER BATCH CROP STEPS`.

CONTENDER is one of `CONTENDERS`. All of them train FCN-8s on VGG11-BN with AdamW and the focal loss averaged over
void, on a GPU if there is one. Some steps warm up first.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from bench.as_written import relu_first
from engine.devices.fabric import make_fabric
from engine.normalization import Normalize
from engine.training.config import TrainingConfig
from engine.training.learner import Learner
from engine.training.losses import FocalLoss
from engine.training.metrics import EpochMetrics
from engine.training.step_graph import CudaBackend, StepGraph
from fcn.fcn import FCN8s

CLASSES, VOID, ORIGINAL_VOID = 19, 255, 19
WARM_UP = 6
"""Number of steps before the timing begins; with a CUDA graph, it is captured and first replayed in these."""


def original_step(batch: int, crop: int) -> Callable[[], object]:
    """A step of the original FCN8s repository: normalised float images, contiguous memory, one metric per class."""
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    network = relu_first(FCN8s(CLASSES + 1)).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    scaler = torch.amp.GradScaler(device.type, enabled=on_gpu)
    loss_of = FocalLoss(ignore_index=ORIGINAL_VOID, average_void=True)
    pixels, ids = random_batch(batch, crop)
    loaded_images = Normalize()(pixels).contiguous()
    loaded_masks = torch.where(ids == VOID, ORIGINAL_VOID, ids).long()

    def step() -> object:
        images, masks = loaded_images.to(device), loaded_masks.to(device)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.float16, enabled=on_gpu):
            logits = network(images)
            loss = loss_of(logits, masks)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        prediction = logits.argmax(1)
        counts = []
        for number in range(CLASSES + 1):
            predicted, true = prediction == number, masks == number
            counts.append([(predicted & true).sum().item(), predicted.sum().item(), true.sum().item()])
        return loss.item(), counts

    return step


def our_step(
    batch: int, crop: int, *, compiled: bool = False, graph: bool = False, precision: str = "auto"
) -> Callable[[], object]:
    """A step of `engine.training.trainer`: uint8 images, channels last, the device's precision, no synchronisation."""
    fabric = make_fabric("auto", precision)
    config = TrainingConfig(loss="focal_over_void", learning_rate=1e-3, weight_decay=1e-4)
    network = FCN8s(CLASSES)
    if compiled:
        network.compile()
    learner = Learner(fabric, network, Normalize(), config, VOID)
    learner.train()
    metrics = EpochMetrics(CLASSES, VOID, fabric.device)
    loaded = random_batch(batch, crop)
    if fabric.device.type == "cuda":
        loaded = tuple(part.pin_memory() for part in loaded)

    learner.set_learning_rate(1e-3)

    def learn(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, ...]:
        masks = masks.long()
        return (*learner.step(images, masks, update=True), masks)

    # As in `train_fcn.py --cuda_graph`: CPUs have no graphs.
    captured = graph and fabric.device.type == "cuda"
    train = StepGraph(learn, CudaBackend(fabric.device) if captured else None)

    def step() -> object:
        loss, logits, ids = train(*fabric.to_device(loaded))
        metrics.add(loss, logits, ids)
        return loss

    return step


CONTENDERS: dict[str, Callable[[int, int], Callable[[], object]]] = {
    "original": original_step,
    "ours": our_step,
    "graph": partial(our_step, graph=True),
    "fp16": partial(our_step, precision="16-mixed"),
    "compiled": partial(our_step, compiled=True),
    "compiled_graph": partial(our_step, compiled=True, graph=True),
}


def random_batch(batch: int, crop: int) -> tuple[torch.Tensor, ...]:
    """Random images (N, 3, H, W) uint8 and masks (N, H, W) uint8 of which a tenth is void."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, crop, crop), dtype=torch.uint8, generator=random)
    masks = torch.randint(0, CLASSES, (batch, crop, crop), dtype=torch.uint8, generator=random)
    return images, torch.where(torch.rand(masks.shape, generator=random) < 0.1, VOID, masks)


def main(argv: Sequence[str]) -> None:
    """Run the steps, and print the seconds of those after the warm-up."""
    batch, crop, steps = map(int, argv[1:])
    step = CONTENDERS[argv[0]](batch, crop)
    began = 0.0
    for number in range(WARM_UP + steps):
        if number == WARM_UP:
            _synchronize()
            began = time.perf_counter()
        step()
    _synchronize()
    print(time.perf_counter() - began)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(sys.argv[1:])
