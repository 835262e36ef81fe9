"""CUDA graphs of predictions, for image sizes that come often.

A graph is one launch. Without it, Python launches the kernels of a network one by one, and shares its lock with the
threads that decode images. Capturing a graph takes as long as a few predictions, and cuDNN's search for its fastest
algorithms takes up to a second. So the first images of a size run without both.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch

Work = Callable[[torch.Tensor], torch.Tensor]
"""Work on the device: image -> result, by the same kernels in each call, without waiting for them."""
Capture = Callable[[Work, torch.Tensor], Work]
"""Capture of a graph: work, and an example image of the right size -> the same work as a graph."""

_PLAIN_RUNS = 2
"""Number of first images of a size that run without search and graph."""
_MAX_GRAPHS = 2
"""Most graphs at a time, because each keeps the memory of a prediction."""
_UNUSED = 32
"""Images without use after which a graph may be replaced; it stops alternating sizes from being captured endlessly."""
_WARM_UPS = 3


class Graph:
    """Work on images of one size as a CUDA graph."""

    def __init__(self, work: Work, image: torch.Tensor) -> None:
        self._image = image.clone()
        with torch.cuda.device(image.device):
            current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):  # for work done only once: cuDNN's search, compiling kernels
                    work(self._image)
            current.wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            # The outer context returns to this stream even if the end of an invalid capture raises.
            # Other threads pin memory and copy meanwhile, which the global error mode would refuse.
            with torch.cuda.stream(current), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = work(self._image)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Replay the graph on an image of the same size; the result is a copy."""
        self._image.copy_(image)
        self._graph.replay()
        return self._result.clone()


class CudaGraphs:
    """Runs work on images, by CUDA graphs for sizes that come often; for use by one thread.

    Args:
        capture: captures a graph.
    """

    def __init__(self, capture: Capture = Graph) -> None:
        self._capture: Capture | None = capture
        self._counts: Counter[Hashable] = Counter()
        self._graphs: OrderedDict[Hashable, Work] = OrderedDict()
        """Captured graphs by size, the least recently used one first."""
        self._used: dict[Hashable, int] = {}
        self._images = 0

    def __call__(self, work: Work, image: torch.Tensor, *, capturing: bool = True) -> torch.Tensor:
        """Run the work on an image, and return its result.

        Args:
            work: one for calls with `capturing`, and one for calls without; each the same in all calls.
            image: image on a GPU.
            capturing: whether the work may be captured as a graph.
        """
        key = (tuple(image.shape), capturing)
        self._images += 1
        self._counts[key] += 1
        if key not in self._graphs:
            if self._counts[key] <= _PLAIN_RUNS:
                with cudnn_search(False):
                    return work(image)
            with cudnn_search(True):
                if not (capturing and self._captured(key, work, image)):
                    return work(image)
        self._graphs.move_to_end(key)
        self._used[key] = self._images
        return self._graphs[key](image)

    def release(self) -> None:
        """Free the memory of all graphs, and forget all sizes."""
        self._graphs.clear()
        self._used.clear()
        self._counts.clear()

    def _captured(self, key: Hashable, work: Work, image: torch.Tensor) -> bool:
        """Capture a graph if there is room for one, and return whether there is one now."""
        if self._capture is None or not self._make_room():
            return False
        try:
            self._graphs[key] = self._capture(work, image)
        except RuntimeError as error:
            self._capture = None
            self.release()
            reason = str(error).strip().partition("\n")[0]
            print(f"warning: no CUDA graph could be captured, so predictions take longer: {reason}", file=sys.stderr)
            return False
        return True

    def _make_room(self) -> bool:
        """Remove a graph that is no longer used if there are too many, and return whether one more may be kept."""
        if len(self._graphs) < _MAX_GRAPHS:
            return True
        oldest = next(iter(self._graphs))
        if self._images - self._used[oldest] < _UNUSED:
            return False
        del self._graphs[oldest], self._used[oldest]
        self._counts[oldest] = 0
        return True


@contextmanager
def cudnn_search(wanted: bool) -> Iterator[None]:
    """Context in which cuDNN searches, or does not search, for the fastest algorithms of new sizes.

    torch caches the algorithm of a convolution by its sizes and by `deterministic`, not by whether it was searched for.
    So `deterministic` is set without a search: otherwise the algorithm used then would be used for good.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = wanted, before[1] or not wanted
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
