"""Prediction by a network: an image on the device in, its ids on the device out."""

import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from engine.arrays import Size
from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.devices import device as compiling
from engine.devices.device import DTYPES
from engine.devices.process import Process
from engine.errors import InputError
from engine.inference import openvino, receptive_field
from engine.inference.cuda_graphs import CudaGraphs, cudnn_search
from engine.inference.kernel_layers import CoarseScorer, UpsampleToIds, use_kernels
from engine.inference.receptive_field import ReceptiveField
from engine.inference.upsampling import CoarseNetwork, classify_upsampled, max_gain
from engine.kernels.choose import Kernels, choose_kernels
from engine.layers import cast_weights, fold_norms
from engine.normalization import Normalize

Engine = Literal["auto", "torch", "openvino"]
"""Engine that runs a network; auto is OpenVINO on a CPU if it is installed and runs the network, otherwise torch."""


class NetworkSegmenter:
    """A `Segmenter` that runs a network on whole images.

    Args:
        process: the process, with the device and the precision to run the network with.
        network: (N, 3, H, W) float -> (N, C, H, W) logits; it is changed and belongs to this object from now on.
        about: metadata of its weights.
        benchmark: defines the values of predictions: ids of classes, or confidences.
        exact: run the network by torch as it is written. Otherwise layers are fused, which rounds sums in another
            order. Layers are fused only if the network has a true attribute `fusible`, which promises that its
            `Sequential`s always run as a whole and nothing reads the results of the layers inside.
        compiled: let torch.compile fuse all steps, which rounds in another order, and takes minutes for each image
            size; the next process finds most of the result in torch's cache. It excludes Triton's kernels.
        engine: library that runs the network.
        kernels: kernels on a GPU; auto is Triton's for networks that are fused, if they run here.
        search: whether image sizes that come often may take memory and a second on a GPU: for cuDNN's search for its
            fastest algorithms, and for CUDA graphs. False where memory has a budget.
        cache: folder for OpenVINO's compiled programs; None compiles them at each start.
        source: name of the weights in messages, for example the path of their file.

    Raises:
        InputError: if Triton's kernels or OpenVINO are required and cannot run here, or cannot run this network.
    """

    bounds_memory = False

    def __init__(
        self,
        process: Process,
        network: nn.Module,
        about: About,
        benchmark: Benchmark,
        *,
        exact: bool = False,
        compiled: bool = False,
        engine: Engine = "auto",
        kernels: Kernels = "auto",
        search: bool = True,
        cache: Path | None = None,
        source: str = "this network",
    ) -> None:
        self.device, self.precision = process.device, process.precision
        self._source = source
        self._dtype = DTYPES[process.precision]
        self._autocast: Callable[[], AbstractContextManager[object]] = process.autocast
        resolved = _resolve_engine(engine, process, exact=exact, compiled=compiled)
        fusible = not exact and getattr(network, "fusible", False) is True
        network = network.eval().requires_grad_(False)
        if fusible:
            fold_norms(network)
        self._torch = self._network = network.to(self.device).to(memory_format=torch.channels_last)
        self.engine: Literal["torch", "openvino"] = "torch"
        """Engine that runs the network."""
        if resolved != "torch":
            self._run_by_openvino(cache, required=resolved == "openvino")
        self._coarse = self._network if not exact and isinstance(self._network, CoarseNetwork) else None
        self._score_limit = torch.tensor(math.inf, device=self.device)
        """Bound on the magnitude of scores; for coarse scores it keeps the upsampled logits in the range of float32."""
        if self._coarse is not None and self.precision != "16-mixed":
            self._score_limit = torch.finfo(torch.float32).max / max_gain(self._coarse.upsampling).clamp(min=1)
        self._normalize = Normalize(about.mean, about.std).to(self.device)
        self._ids = torch.from_numpy(benchmark.prediction_ids).to(self.device)
        self._confidence_class = benchmark.confidence_class
        self._ranks = (about.num_classes - torch.arange(about.num_classes)).to(torch.float32)
        self._by_rank = self._ids[: about.num_classes + 1].flip(0)
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)
        """Whether all scores so far were finite; it stays on the device, so checking an image does not wait for it."""
        self._coarse_scorer: CoarseScorer | None = None
        self._upsample_to_ids: UpsampleToIds | None = None
        if fusible and self.device.type == "cuda" and self._dtype != torch.float32:
            cast_weights(self._network, self._dtype)
        if fusible and not compiled and choose_kernels(kernels, self.device, self._dtype):
            self._use_kernels()
        self._searches = search and self.device.type == "cuda"
        self._cuda_graphs = CudaGraphs() if self._searches and not compiled else None
        self._captures = getattr(network, "fusible", False) is True
        """Whether the work may be captured as a graph; other networks may compute something else in each call."""
        self._compiled_ids: compiling.Work | None = None
        self._compiled_logits: compiling.Work | None = None
        """Set only if compiled: bound methods stored on the object would make a reference cycle."""
        if compiled:
            self._compiled_ids, self._compiled_logits = (
                compiling.compiled(partial(_with_finite, work), self.device) for work in (self._to_ids, self._to_logits)
            )

    def _run_by_openvino(self, cache: Path | None, *, required: bool) -> None:
        precision = self.precision
        if precision == "bf16-mixed" and not openvino.computes_in_bf16():
            print("warning: this processor has no bf16 instructions, so OpenVINO computes in float32", file=sys.stderr)
            precision = "32-true"
        try:
            self._network = openvino.compile_network(self._torch, precision, cache)
            self.engine, self.precision = "openvino", precision
            self._autocast = nullcontext  # the programs return float32, and the remaining steps are fast
        except openvino.RefusedError as error:
            if required:
                raise InputError(
                    f"--engine openvino: OpenVINO does not run this network ({error}); give --engine torch"
                ) from error
            print(
                f"warning: OpenVINO does not run this network ({error}); torch runs it, which takes longer",
                file=sys.stderr,
            )

    def _use_kernels(self) -> None:
        """Replace layers of the network, which is on the device, by Triton's kernels."""
        use_kernels(self._network)
        if self._coarse is not None and self._confidence_class is None and UpsampleToIds.suits(self._coarse):
            self._upsample_to_ids = UpsampleToIds(self._coarse, self._ids, self._dtype)
        if CoarseScorer.suits(self._network):
            self._coarse_scorer = CoarseScorer(self._network, self._normalize, self._dtype)

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Do nothing: this segmenter does not measure memory, unlike `TiledSegmenter`."""

    def release(self) -> None:
        """Free the memory that is kept from one image to the next, except the weights."""
        if self._cuda_graphs is not None:
            self._cuda_graphs.release()
        for part in self._network.modules():
            if isinstance(part, openvino.Program):
                part.release()

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        if self._compiled_ids is not None:
            return self._compiled(self._compiled_ids, image)
        work = partial(self._to_ids, finite=self._finite)
        return work(image) if self._cuda_graphs is None else self._cuda_graphs(work, image, capturing=self._captures)

    @torch.inference_mode()
    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 -> (N, C, H, W) logits."""
        if self._compiled_logits is not None:
            return self._compiled(self._compiled_logits, image)
        work = partial(self._to_logits, finite=self._finite)
        return work(image) if self._cuda_graphs is None else self._cuda_graphs(work, image, capturing=False)

    def _compiled(self, work: compiling.Work, image: torch.Tensor) -> torch.Tensor:
        with cudnn_search(self._searches):
            result, finite = work(image)
        self._finite.logical_and_(finite)
        return result

    @torch.inference_mode()
    def trial(self, image: torch.Tensor, *, logits: bool = False) -> torch.Tensor:
        """Predict ids, or logits, of a synthetic image, which counts neither for the finite check nor as a size."""
        if logits:
            return (self._compiled_logits or partial(_with_finite, self._to_logits))(image)[0]
        return (self._compiled_ids or partial(_with_finite, self._to_ids))(image)[0]

    def require_finite(self) -> None:
        """Wait for the images so far, and check that all their scores were finite.

        Raises:
            InputError: if a score of an image was NaN or infinite; fp16 ends at 65504.
        """
        if self._finite.item():
            return
        if self.precision == "16-mixed":
            raise InputError(
                f"--precision 16-mixed: {self._source} computes scores beyond 65504, the limit of fp16, so its "
                "predictions would be wrong; give --precision bf16-mixed or 32-true"
            )
        raise InputError(
            f"{self._source}: computes scores that are NaN or infinite, so its predictions would be wrong; its "
            "training diverged, or the file is damaged: use earlier weights, or train again with a lower "
            "--learning_rate"
        )

    @torch.inference_mode()
    def receptive_field(self) -> ReceptiveField:
        """Measure the network's receptive field, which takes about as long as predicting a small image.

        It runs the torch network, because OpenVINO's maxima do not propagate the NaN that it is measured with.
        """
        return receptive_field.find(self._torch_scores, self.device)

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """(C, ...) logits, or other scores with the same argmax -> (...) uint8 ids or confidences."""
        if self._confidence_class is not None:
            return (255 * logits.float().softmax(0)[self._confidence_class]).round().to(torch.uint8)
        if logits.device.type != "cpu":
            return self._ids[logits.argmax(0)]
        # argmax takes ten times as long on a CPU. So mark each maximum by a rank, higher for earlier classes, and take
        # the largest rank; in floats, because comparisons to bool do not use vector units.
        marks = torch.eq(logits, logits.amax(0), out=torch.empty_like(logits))
        ranks = marks.mul_(self._ranks.view(-1, *[1] * (logits.dim() - 1))).amax(0)
        return self._by_rank.index_select(0, ranks.int().flatten()).view(ranks.shape)

    def _to_ids(self, image: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        if self._coarse is None:
            return self.classify(self._to_logits(image, finite)[0])
        size = image.shape[-2], image.shape[-1]
        with self._autocast():
            # No name for the normalised image: the network frees it after its first layer.
            scores = self._coarse_scorer(image) if self._coarse_scorer else self._coarse.coarse(self._normalize(image))
            if self._upsample_to_ids is not None:
                return self._upsample_to_ids(scores, size, finite)
            self._update_finite(scores, finite)
            return classify_upsampled(self._coarse, scores, size, self.classify)

    def _to_logits(self, image: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        normalized = self._normalize(image).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            logits: torch.Tensor = self._network(normalized)
        self._update_finite(logits, finite)
        return logits

    def _torch_scores(self, normalized: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            logits: torch.Tensor = self._torch(normalized.contiguous(memory_format=torch.channels_last))
        return logits

    def _update_finite(self, scores: torch.Tensor, finite: torch.Tensor) -> None:
        """Set `finite` to False if a score is beyond the limit or NaN."""
        low, high = scores.aminmax()
        finite.logical_and_((low > -self._score_limit) & (high < self._score_limit))


def _resolve_engine(engine: Engine, process: Process, *, exact: bool, compiled: bool) -> Engine:
    """Resolve the engine: openvino if it is required, auto to try it with torch as fallback, otherwise torch.

    Raises:
        InputError: if OpenVINO is required together with options that exclude it.
    """
    reasons = {
        "--accelerator gpu: this project uses OpenVINO on CPUs only": process.device.type != "cpu",
        "--precision 32-true: torch runs the network exactly as it is written": exact,
        "--compile: torch compiles the network": compiled,
    }
    if engine == "openvino":
        if wrong := [reason for reason, holds in reasons.items() if holds]:
            raise InputError(*(f"--engine openvino with {reason}; leave out one of them" for reason in wrong))
        openvino.require_installed()
        return engine
    return "auto" if engine == "auto" and not any(reasons.values()) and openvino.is_installed() else "torch"


def _with_finite(
    work: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], image: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the work on an image, and return its result and whether its scores were finite."""
    finite = torch.ones((), dtype=torch.bool, device=image.device)
    return work(image, finite), finite
