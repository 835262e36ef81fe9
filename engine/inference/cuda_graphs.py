"""Predictions replayed as CUDA graphs, for sizes of images that come often.

A graph is launched at once, where a network's kernels are launched one by one from Python, which has to share its lock
with the threads that decode images. To capture one takes as long as some predictions, and cuDNN's search for the
fastest algorithms up to a second; so the first images of a size go without both.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch

Work = Callable[[torch.Tensor], torch.Tensor]
"""From an image on the device to a result there, by the same kernels each time, without waiting for them."""
Capture = Callable[[Work, torch.Tensor], Work]
"""From work, and an image like those that it will be done on, to the same work as a graph."""

_FIRST = 2
"""Images of a size that run without search and graph."""
_MOST_GRAPHS = 2
"""Each keeps the memory of a prediction."""
_IDLE = 32
"""Images since a graph was last used after which it may give way; or sizes in turn would be captured without end."""
_WARM_UPS = 3


class Graph:
    """Work on images of one size as a CUDA graph."""

    def __init__(self, work: Work, image: torch.Tensor) -> None:
        self._image = image.clone()
        with torch.cuda.device(image.device):
            here, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(here)
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UPS):  # whatever is done once only: cuDNN's search, compiling of kernels
                    work(self._image)
            here.wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            # The outer context comes back to this stream even where the end of an invalid capture raises.
            # Other threads pin memory and copy meanwhile, which is an error in the mode that looks at all of them.
            with torch.cuda.stream(here), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = work(self._image)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The result for another image, in memory of its own."""
        self._image.copy_(image)
        self._graph.replay()
        return self._result.clone()


class CudaGraphs:
    """Does work on images in the way that is best for how often their size comes: all from one thread.

    Args:
        capture: makes graphs.
    """

    def __init__(self, capture: Capture = Graph) -> None:
        self._capture: Capture | None = capture
        self._seen: Counter[Hashable] = Counter()
        self._graphs: OrderedDict[Hashable, Work] = OrderedDict()
        """The one that was used last is the last."""
        self._used: dict[Hashable, int] = {}
        self._images = 0

    def __call__(self, work: Work, image: torch.Tensor, *, capturing: bool = True) -> torch.Tensor:
        """The result of the work.

        Args:
            work: the same in each call, as far as `capturing` is the same.
            image: on a GPU.
            capturing: whether the work may become a graph.
        """
        key = (tuple(image.shape), capturing)
        self._images += 1
        self._seen[key] += 1
        if key not in self._graphs:
            if self._seen[key] <= _FIRST:
                with cudnn_search(False):
                    return work(image)
            with cudnn_search(True):
                if not (capturing and self._captured(key, work, image)):
                    return work(image)
        self._graphs.move_to_end(key)
        self._used[key] = self._images
        return self._graphs[key](image)

    def release(self) -> None:
        """Give back the memory of all graphs, and begin anew."""
        self._graphs.clear()
        self._used.clear()
        self._seen.clear()

    def _captured(self, key: Hashable, work: Work, image: torch.Tensor) -> bool:
        """Whether there is a graph now."""
        if self._capture is None or not self._has_place():
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

    def _has_place(self) -> bool:
        """Whether one more graph may be kept, perhaps in the place of one that nobody needs."""
        if len(self._graphs) < _MOST_GRAPHS:
            return True
        oldest = next(iter(self._graphs))
        if self._images - self._used[oldest] < _IDLE:
            return False
        del self._graphs[oldest], self._used[oldest]
        self._seen[oldest] = 0
        return True


@contextmanager
def cudnn_search(wanted: bool) -> Iterator[None]:
    """Whether cuDNN tries all algorithms for sizes that are new to it, which takes up to a second for each.

    torch keeps the algorithm of a convolution by its sizes and by `deterministic`, and not by whether it was searched
    for. So without a search this is set too: what was taken then would else be taken ever after.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = wanted, before[1] or not wanted
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
