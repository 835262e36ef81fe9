"""CUDA graphs for image sizes that come often, with fake graphs that need no GPU."""

import pytest
import torch

from engine.inference.cuda_graphs import CudaGraphs, Graph, Work, cudnn_search
from tests.engine.inference.fake_streams import FakeStreams


class Recorder:
    """Fake work, and fake graphs of it, that record each run and whether cuDNN would search."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def work(self, image: torch.Tensor) -> torch.Tensor:
        assert torch.backends.cudnn.deterministic != torch.backends.cudnn.benchmark
        self.done.append("search" if torch.backends.cudnn.benchmark else "eager")
        return image + 1

    def capture(self, work: Work, image: torch.Tensor) -> Work:
        work(image)
        self.done.append("capture")

        def replay(image: torch.Tensor) -> torch.Tensor:
            self.done.append("replay")
            return image + 1

        return replay

    def of(self, graphs: CudaGraphs, *sides: int, capturing: bool = True) -> list[str]:
        self.done.clear()
        for side in sides:
            assert int(graphs(self.work, torch.full((1, side), side), capturing=capturing)[0, 0]) == side + 1
        return list(self.done)


CAPTURED = ["search", "capture", "replay"]


def test_the_third_image_of_a_size_is_searched_for_and_captured() -> None:
    recorder = Recorder()
    graphs = CudaGraphs(recorder.capture)
    assert recorder.of(graphs, 1, 2, 1, 3, 2, 4) == ["eager"] * 6
    assert recorder.of(graphs, 1) == CAPTURED
    assert recorder.of(graphs, 1, 5, 1) == ["replay", "eager", "replay"]
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.deterministic


def test_work_without_capturing_gets_a_search_only() -> None:
    recorder = Recorder()
    graphs = CudaGraphs(recorder.capture)
    assert recorder.of(graphs, 1, 1, 1, 1, capturing=False) == ["eager", "eager", "search", "search"]
    assert recorder.of(graphs, 1) == ["eager"]


def test_two_sizes_keep_graphs_while_they_are_used() -> None:
    recorder = Recorder()
    graphs = CudaGraphs(recorder.capture)
    recorder.of(graphs, 1, 1, 1, 2, 2, 2, 3, 3)
    assert recorder.of(graphs, 3, 1, 2, 3) == ["search", "replay", "replay", "search"]
    used = recorder.of(graphs, *[2] * 40)
    assert used == ["replay"] * 40
    assert recorder.of(graphs, 3, 2, 1) == [*CAPTURED, "replay", "eager"]  # replaces the graph for 1


def test_a_failed_capture_is_reported_once_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder()

    def refuse(work: Work, image: torch.Tensor) -> Work:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    graphs = CudaGraphs(refuse)
    assert recorder.of(graphs, 1, 1, 1) == ["eager", "eager", "search"]
    assert recorder.of(graphs, *[1] * 4, *[2] * 4)[-1] == "search"
    printed = capsys.readouterr().err
    assert printed.count("no CUDA graph could be captured, so predictions take longer: CUDA out of memory.") == 1
    assert "more" not in printed


def test_release_forgets_graphs_and_sizes() -> None:
    recorder = Recorder()
    graphs = CudaGraphs(recorder.capture)
    recorder.of(graphs, 1, 1, 1)
    graphs.release()
    assert recorder.of(graphs, 1, 1, 1) == ["eager", "eager", *CAPTURED]


def test_runs_without_a_search_use_another_key_of_torchs_cache() -> None:
    """torch caches algorithms by `deterministic`, but not by `benchmark`."""
    keys = []
    for wanted in (False, True):
        with cudnn_search(wanted):
            keys.append((torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic))
    assert keys == [(False, True), (True, False)]


def test_an_invalid_capture_restores_the_current_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = FakeStreams(monkeypatch)
    with pytest.raises(RuntimeError, match="previous error during capture"):
        Graph(lambda image: image + 1, torch.zeros(1, 2))
    assert streams.current is streams.first


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_gives_what_the_work_gives() -> None:
    layer = torch.nn.Conv2d(3, 8, 3, device="cuda")
    graphs = CudaGraphs()
    with torch.inference_mode():
        images = [torch.randn(1, 3, 64, 64, device="cuda") for _ in range(6)]
        found = [graphs(layer, image) for image in images]
        assert all(torch.allclose(one, layer(image), atol=1e-2) for one, image in zip(found, images, strict=True))
    assert len(graphs._graphs) == 1
