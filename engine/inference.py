"""The forward pass of a prediction: an image on the device in, its ids on the device out."""

import torch
from lightning_fabric import Fabric
from torch import nn

from engine.checkpoints import About
from engine.dataset import Benchmark
from engine.devices import precision_of
from engine.transforms import Normalize


class Forward:
    """A network made ready to predict.

    Args:
        fabric: where and in which precision the network runs.
        network: (N, 3, H, W) float -> (N, C, H, W) logits; it is changed and belongs to this object from now on.
        about: what its weights belong to.
        benchmark: says what a prediction holds.
        exact: compute as the network is written, in nothing but what the precision names.
    """

    def __init__(
        self, fabric: Fabric, network: nn.Module, about: About, benchmark: Benchmark, *, exact: bool = False
    ) -> None:
        self.device = fabric.device
        self.precision = precision_of(fabric)
        self._model = fabric.setup_module(network.eval().to(memory_format=torch.channels_last))
        self._normalize = fabric.to_device(Normalize(about.mean, about.std))
        self._ids = torch.from_numpy(benchmark.prediction_ids).to(fabric.device)
        self._confidence_class = benchmark.confidence_class

    @torch.inference_mode()
    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        logits: torch.Tensor = self._model(self._normalize(image).contiguous(memory_format=torch.channels_last))
        return logits

    @torch.inference_mode()
    def ids(self, logits: torch.Tensor) -> torch.Tensor:
        """(1, C, H, W) logits, or anything that is greatest for the same class -> (H, W) uint8 ids or confidences."""
        if self._confidence_class is None:
            return self._ids[logits[0].argmax(0)]
        return (255 * logits[0].float().softmax(0)[self._confidence_class]).round().to(torch.uint8)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        return self.ids(self.logits(image))
