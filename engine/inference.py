"""The forward pass of a prediction: an image on the device in, its ids on the device out."""

import torch
from torch import nn

from engine import compiling, reach
from engine.benchmark import Benchmark
from engine.capacity import Size
from engine.checkpoints import About
from engine.faults import InputError
from engine.fusion import fold_norms, use_winograd
from engine.memory import give_back_freed
from engine.normalization import Normalize
from engine.place import Place
from engine.reach import Reach
from engine.upsampling import Coarse, judge_upsampled
from engine.workspace import Workspace


class Forward:
    """A network made ready to predict.

    Raises:
        InputError: when it sees its first image, if the network's numbers leave the range of the precision.

    Args:
        place: where and in which precision the network runs.
        network: (N, 3, H, W) float -> (N, C, H, W) logits; it is changed and belongs to this object from now on.
        about: what its weights belong to.
        benchmark: says what a prediction holds.
        exact: run the network as it is written; else layers are fused, which rounds sums in another order, if the
            network says by an attribute `fusible` that its `Sequential`s always run whole: nobody takes what comes out
            of a layer within.
        compiled: let torch.compile fuse all steps, which rounds in another order, and takes minutes for each size of
            image; the next process finds most of it done.
        search: let cuDNN search for its fastest algorithms, and capture CUDA graphs, for sizes of images that come
            often; both take memory beyond what one prediction needs.
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
        search: bool = True,
    ) -> None:
        del search
        self.device = place.device
        fusible = not exact and getattr(network, "fusible", False) is True
        fast = fusible and not compiled and self.device.type == "cpu" and place.precision == "32-true"
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
        self._fits = place.precision != "16-mixed"
        """Whether the network's numbers are known to stay within the range of the precision."""
        self._predict: compiling.Work | None = None
        self._see: compiling.Work | None = None
        """`_predicted` and `_seen` if they are compiled; not else, as an object that holds its methods is not freed."""
        if compiled:
            self._predict, self._see = (compiling.compiled(work, self.device) for work in (self._predicted, self._seen))

    watchful = False
    """Whether memory is to be looked after; `Tiled` does that."""

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Nothing is to be done before an image of that size, unlike with `Tiled`."""

    @property
    def kept(self) -> float:
        """MiB that lie ready from one prediction to the next, beside the weights."""
        return self._workspace.held / (1 << 20)

    def require_range(self) -> None:
        """Refuse to go on if the numbers of an image so far have left the range of the precision.

        Raises:
            InputError: if they have.
        """

    def release(self) -> None:
        """Let go of what is kept."""
        self._workspace.release()

    @torch.inference_mode()
    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        self._require_range(image)
        return self.unchecked(image, logits=True)

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        self._require_range(image)
        return self.unchecked(image)

    @torch.inference_mode()
    def unchecked(self, image: torch.Tensor, *, logits: bool = False) -> torch.Tensor:
        """The ids, or the logits, of a made-up image, which does not tell whether the numbers stay in range."""
        work = (self._see or self._seen) if logits else (self._predict or self._predicted)
        return work(image)

    def alone(self, image: torch.Tensor) -> bool:
        """Whether to look at nothing beside this image, which then has all threads; else each may look at one.

        Networks that are not known here may keep something between their layers that is of one image.
        """
        del image
        return self.precision != "32-fused" or self._coarse is None

    @torch.inference_mode()
    def reach(self) -> Reach:
        """How far the network looks, which takes about as long as to predict a small image."""
        return reach.find(self._scores, self.device)

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

    def _require_range(self, image: torch.Tensor) -> None:
        """Refuse a network whose numbers leave fp16's range, above 65504; the first image tells."""
        if self._fits:
            return
        with self._autocast():
            scores = (self._coarse.coarse if self._coarse else self._network)(self._normalize(image))
        if not scores.isfinite().all():
            raise InputError(
                "--precision 16-mixed: this network computes numbers beyond 65504, which fp16 cannot hold, so its "
                "predictions would be wrong; give --precision bf16-mixed or 32-true"
            )
        self._fits = True

    def _predicted(self, image: torch.Tensor) -> torch.Tensor:
        if self._coarse is None:
            return self.judge(self._seen(image)[0])
        with self._autocast():
            # The network alone holds the normalised image, and lets go of it.
            scores = self._coarse.coarse(self._normalized(image))
            return judge_upsampled(self._coarse, scores, (image.shape[-2], image.shape[-1]), self.judge)

    def _normalized(self, image: torch.Tensor) -> torch.Tensor:
        """The image for the network."""
        batch, channels, height, width = image.shape
        lent = self._workspace.lend(batch, height, width, channels) if self.precision == "32-fused" else None
        normalized: torch.Tensor = self._normalize(image, None if lent is None else lent.permute(0, 3, 1, 2))
        return normalized

    def _seen(self, image: torch.Tensor) -> torch.Tensor:
        return self._scores(self._normalized(image))

    def _scores(self, normalized: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            logits: torch.Tensor = self._network(normalized.contiguous(memory_format=torch.channels_last))
        return logits
