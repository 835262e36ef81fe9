"""The forward pass of a prediction: an image on the device in, its ids on the device out."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from engine.arrays import Size
from engine.benchmark import Benchmark
from engine.checkpoints import About
from engine.devices import device
from engine.devices.device import DTYPES
from engine.devices.memory import give_back_freed
from engine.devices.process import Place
from engine.errors import InputError
from engine.inference import receptive_field
from engine.inference.cuda_graphs import Replays, cudnn_search
from engine.inference.kernel_layers import CoarseScores, Ids, use_kernels
from engine.inference.receptive_field import Reach
from engine.inference.upsampling import Coarse, judge_upsampled
from engine.kernels.choose import Kernels, choose_kernels
from engine.layers import cast_weights, fold_norms, use_winograd
from engine.normalization import Normalize
from engine.workspace import Workspace


class Forward:
    """A network made ready to predict.

    Args:
        place: where and in which precision the network runs.
        network: (N, 3, H, W) float -> (N, C, H, W) logits; it is changed and belongs to this object from now on.
        about: what its weights belong to.
        benchmark: says what a prediction holds.
        exact: run the network as it is written; else layers are fused, which rounds sums in another order, if the
            network says by an attribute `fusible` that its `Sequential`s always run whole: nobody takes what comes out
            of a layer within.
        compiled: let torch.compile fuse all steps, which rounds in another order, and takes minutes for each size of
            image; the next process finds most of it done. Then the kernels are torch's.
        kernels: which ones a GPU runs: auto is Triton's where they run, for networks that are fused.
        search: on a GPU, whether sizes of images that come often are worth memory and a second: for cuDNN's search for
            its fastest algorithms, and for CUDA graphs. Not where memory has a budget.

    Raises:
        InputError: if Triton's kernels are asked for and do not run here.
    """

    def __init__(
        self,
        place: Place,
        network: nn.Module,
        about: About,
        benchmark: Benchmark,
        *,
        exact: bool = False,
        compiled: bool = False,
        kernels: Kernels = "auto",
        search: bool = True,
    ) -> None:
        self.device = place.device
        self._dtype = DTYPES[place.precision]
        fusible = not exact and getattr(network, "fusible", False) is True
        triton = fusible and not compiled and choose_kernels(kernels, self.device, self._dtype)
        fast = fusible and not compiled and not triton and (self.device.type, self._dtype) == ("cpu", torch.float32)
        self.precision = "32-fused" if fast else place.precision
        """That of the place, or 32-fused."""
        self._workspace = Workspace()
        network = network.eval().requires_grad_(False)
        if fusible:
            fold_norms(network)
        if fast:
            use_winograd(network, self._workspace)
            give_back_freed()
        self._network = network.to(self.device).to(memory_format=torch.channels_last)
        self._autocast = place.autocast
        self._coarse = network if not exact and isinstance(network, Coarse) else None
        self._normalize = Normalize(about.mean, about.std).to(self.device)
        self._ids = torch.from_numpy(benchmark.prediction_ids).to(self.device)
        self._confidence_class = benchmark.confidence_class
        self._ranks = (about.num_classes - torch.arange(about.num_classes)).to(torch.float32)
        self._by_rank = self._ids[: about.num_classes + 1].flip(0)
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)
        """Whether all scores so far were; it stays on the device, so that no image is waited for."""
        self._use_kernels(fusible, triton)
        self._searches = search and self.device.type == "cuda"
        self._replays = Replays() if self._searches and not compiled else None
        self._captures = getattr(network, "fusible", False) is True
        """Others may do something else each time, which a graph would not."""
        self._predict: device.Work | None = None
        self._see: device.Work | None = None
        """`_predicted` and `_seen` if they are compiled; not else, as an object that holds its methods is not freed."""
        if compiled:
            self._predict, self._see = (
                device.compiled(partial(_with_range, work), self.device) for work in (self._predicted, self._seen)
            )

    watchful = False
    """Whether memory is to be looked after; `Tiled` does that."""

    def _use_kernels(self, fusible: bool, triton: bool) -> None:
        """Make the network, which is on the device, faster there."""
        self._scores_by: CoarseScores | None = None
        self._ids_by: Ids | None = None
        if fusible and self.device.type == "cuda" and self._dtype != torch.float32:
            cast_weights(self._network, self._dtype)
        if not triton:
            return
        use_kernels(self._network)
        if self._coarse is not None and self._confidence_class is None and Ids.suits(self._coarse):
            self._ids_by = Ids(self._coarse, self._ids, self._dtype)
        if CoarseScores.suits(self._network):
            self._scores_by = CoarseScores(self._network, self._normalize, self._dtype)

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Nothing is to be done before an image of that size, unlike with `Tiled`."""

    @property
    def kept(self) -> float:
        """MiB that lie ready from one prediction to the next, beside the weights."""
        return self._workspace.held / (1 << 20)

    def release(self) -> None:
        """Let go of what is kept."""
        self._workspace.release()
        if self._replays is not None:
            self._replays.release()

    @torch.inference_mode()
    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 -> (N, C, H, W) logits."""
        if self._see is not None:
            return self._compiled(self._see, image)
        work = partial(self._seen, finite=self._finite)
        return work(image) if self._replays is None else self._replays(work, image, capturing=False)

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        if self._predict is not None:
            return self._compiled(self._predict, image)
        work = partial(self._predicted, finite=self._finite)
        return work(image) if self._replays is None else self._replays(work, image, capturing=self._captures)

    def _compiled(self, work: device.Work, image: torch.Tensor) -> torch.Tensor:
        with cudnn_search(self._searches):
            result, finite = work(image)
        self._finite.logical_and_(finite)
        return result

    @torch.inference_mode()
    def unchecked(self, image: torch.Tensor, *, logits: bool = False) -> torch.Tensor:
        """The ids, or the logits, of a made-up image, which tells nothing of the range or of sizes that come often."""
        compiled, plain = (self._see, self._seen) if logits else (self._predict, self._predicted)
        return (compiled or partial(_with_range, plain))(image)[0]

    def require_range(self) -> None:
        """Wait for the images so far, and refuse a network whose numbers left the range of the precision.

        Raises:
            InputError: if a score of an image was NaN or infinite in fp16, which ends at 65504.
        """
        if self.precision == "16-mixed" and not self._finite.item():
            raise InputError(
                "--precision 16-mixed: this network computes numbers beyond 65504, which fp16 cannot hold, so its "
                "predictions would be wrong; give --precision bf16-mixed or 32-true"
            )

    def alone(self, image: torch.Tensor) -> bool:
        """Whether to look at nothing beside this image, which then has all threads; else each may look at one.

        Networks that are not known here may keep something between their layers that is of one image.
        """
        del image
        return self.precision != "32-fused" or self._coarse is None

    @torch.inference_mode()
    def reach(self) -> Reach:
        """How far the network looks, which takes about as long as to predict a small image."""
        return receptive_field.find(self._scores, self.device)

    def judge(self, logits: torch.Tensor) -> torch.Tensor:
        """(C, ...) logits, or anything that is greatest for the same class -> (...) uint8 ids or confidences."""
        if self._confidence_class is not None:
            return (255 * logits.float().softmax(0)[self._confidence_class]).round().to(torch.uint8)
        if logits.device.type != "cpu":
            return self._ids[logits.argmax(0)]
        # argmax takes ten times as long as to mark the greatest, with a number that is higher for earlier classes; in
        # floats, as comparisons to bool are not done by vector units.
        marks = torch.eq(logits, logits.amax(0), out=torch.empty_like(logits))
        ranks = marks.mul_(self._ranks.view(-1, *[1] * (logits.dim() - 1))).amax(0)
        return self._by_rank.index_select(0, ranks.int().flatten()).view(ranks.shape)

    def _predicted(self, image: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        if self._coarse is None:
            return self.judge(self._seen(image, finite)[0])
        size = image.shape[-2], image.shape[-1]
        with self._autocast():
            # The network alone holds the normalised image, and lets go of it.
            scores = self._scores_by(image) if self._scores_by else self._coarse.coarse(self._normalized(image))
            if self._ids_by is not None:
                return self._ids_by(scores, size, finite)
            self._note(scores, finite)
            return judge_upsampled(self._coarse, scores, size, self.judge)

    def _normalized(self, image: torch.Tensor) -> torch.Tensor:
        """The image for the network."""
        batch, channels, height, width = image.shape
        lent = self._workspace.lend(batch, height, width, channels) if self.precision == "32-fused" else None
        normalized: torch.Tensor = self._normalize(image, None if lent is None else lent.permute(0, 3, 1, 2))
        return normalized

    def _seen(self, image: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        logits = self._scores(self._normalized(image))
        self._note(logits, finite)
        return logits

    def _scores(self, normalized: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            logits: torch.Tensor = self._network(normalized.contiguous(memory_format=torch.channels_last))
        return logits

    def _note(self, scores: torch.Tensor, finite: torch.Tensor) -> None:
        """Have `finite` become False if a score is NaN or infinite; a sum of so many fp16 ones is finite in float32."""
        if self.precision == "16-mixed":
            finite.logical_and_(scores.sum(dtype=torch.float32).isfinite())


def _with_range(
    work: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], image: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The result of work on an image, and whether its scores were finite."""
    finite = torch.ones((), dtype=torch.bool, device=image.device)
    return work(image, finite), finite
