"""Predict one image repeatedly, and print time and memory.

Usage: `python -m bench.contenders.forward DEVICE CONTENDER WEIGHTS IMAGE HEIGHTxWIDTH REPEATS IDS [BUDGET]`

DEVICE is `cpu` or `gpu`, CONTENDER one of `OPTIONS`. IMAGE is tiled and cropped to the size. It is on the device before
the timing begins, and the prediction stays there; afterwards the prediction is written to IDS as a NumPy file. With a
BUDGET in MiB the image is predicted in tiles.

Prints a JSON object:

- `seconds`: of each repeat after the warm-up;
- `ready`: memory when the network is loaded;
- `working_peak`: peak memory from then on, including the workspaces of a search for fast algorithms;
- `steady_peak`: peak memory after the warm-up;
- `peak`: peak memory since the start;
- `reserved`: peak memory reserved by the GPU's allocator after the warm-up, including the memory of CUDA graphs.

Memory is in MiB: resident memory of the process on a CPU, memory allocated for tensors on a GPU.
"""

import json
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench import REPOSITORY

Predict = Callable[[torch.Tensor], torch.Tensor]
OPTIONS: dict[str, dict[str, Any]] = {
    "original": {},
    "exact": {"precision": "32-true"},
    "ours": {"precision": "auto"},
    "torch": {"precision": "auto", "kernels": "torch"},
    "torch_engine": {"precision": "auto", "engine": "torch"},
    "bf16": {"precision": "bf16-mixed"},
    "compiled": {"precision": "auto", "compiled": True},
}
"""Contender -> options of our network; empty for the original network, which `original_network` builds."""
WARM_UP = {"cpu": 1, "gpu": 5}
"""Device -> number of predictions before the timing begins."""


def original_network(weights: Path, device: str) -> Predict:
    """The original network as written, in float32 and contiguous memory; imports only what it needs."""
    package = types.ModuleType("fcn")
    package.__path__ = [str(REPOSITORY / "fcn")]  # replaces the real package, whose __init__ imports the training code
    sys.modules["fcn"] = package
    from torchvision.transforms import v2

    from bench.as_written import relu_first
    from fcn.fcn import FCN8s

    network = relu_first(FCN8s(19))
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval().to("cuda" if device == "gpu" else "cpu")
    transform = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )

    @torch.no_grad()
    def predict(image: torch.Tensor) -> torch.Tensor:
        ids: torch.Tensor = network(transform(image)).argmax(1)[0]
        return ids

    return predict


def our_network(weights: Path, device: str, precision: str, **options: Any) -> Predict:
    """Our network as in `test_fcn.py`, up to label ids; `options` go to `NetworkSegmenter`."""
    import catalogue.weights
    from engine.devices.process import find_process
    from engine.inference.network import NetworkSegmenter

    benchmark = catalogue.benchmark("cityscapes")
    network, about, _ = catalogue.weights.load_network_for(benchmark, weights)
    exact = precision == "32-true"
    return NetworkSegmenter(find_process(device, precision), network, about, benchmark, exact=exact, **options)


def main(argv: Sequence[str]) -> None:
    """Predict the image repeatedly and print the figures."""
    device, contender, weights, path, size, repeats, ids = argv[:7]
    predict = (
        original_network(Path(weights), device)
        if contender == "original"
        else our_network(Path(weights), device, **OPTIONS[contender])
    )
    image = torch.from_numpy(_image(Path(path), *map(int, size.split("x")))).permute(2, 0, 1)[None]
    if contender == "original":
        image = image.contiguous()  # as torchvision delivers it
    if device == "gpu":
        image = image.cuda()
    memory: _GpuMemory | _ProcessMemory = _GpuMemory() if device == "gpu" else _ProcessMemory()
    ready, peak = memory.now(), memory.peak()
    memory.reset_peak()
    if len(argv) > 7:
        from engine.inference.tiles import TiledSegmenter

        predict = TiledSegmenter(predict, float(argv[7]))  # type: ignore[arg-type]  # only our contenders are run with a budget
    seconds, first = [], 0.0
    for number in range(WARM_UP[device] + int(repeats)):
        if number == WARM_UP[device]:  # for all contenders, whether they search for algorithms or not
            first = memory.peak()
            memory.reset_peak()
        memory.synchronize()
        began = time.perf_counter()
        prediction = predict(image)
        memory.synchronize()
        seconds.append(time.perf_counter() - began)
    np.save(ids, prediction.cpu().numpy())
    steady = memory.peak()
    worked = max(first, steady)
    figures = {"ready": ready, "working_peak": worked, "steady_peak": steady, "peak": max(peak, worked)}
    print(json.dumps({"seconds": seconds[WARM_UP[device] :], **figures, "reserved": memory.reserved()}))


class _ProcessMemory:
    """Resident memory of this process, in MiB."""

    def now(self) -> float:
        """Memory in use now."""
        return _status("VmRSS")

    def peak(self) -> float:
        """Peak memory since the start or the last reset."""
        return _status("VmHWM")

    def reset_peak(self) -> None:
        """Start measuring a new peak."""
        Path("/proc/self/clear_refs").write_text("5")

    def reserved(self) -> float:
        """Peak; on a CPU the same as `peak`, because the operating system counts it."""
        return self.peak()

    def synchronize(self) -> None:
        """Do nothing: work on a CPU is finished when a call returns."""


class _GpuMemory:
    """Memory allocated for tensors on the GPU, in MiB."""

    def now(self) -> float:
        """Memory in use now."""
        return torch.cuda.memory_allocated() / (1 << 20)

    def peak(self) -> float:
        """Peak memory since the start or the last reset."""
        return torch.cuda.max_memory_allocated() / (1 << 20)

    def reset_peak(self) -> None:
        """Release unused memory to the device and start measuring a new peak."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def reserved(self) -> float:
        """Peak memory reserved by the allocator, including that of CUDA graphs, which no tensor holds at that time."""
        return torch.cuda.max_memory_reserved() / (1 << 20)

    def synchronize(self) -> None:
        """Wait until the GPU has finished."""
        torch.cuda.synchronize()


def _image(path: Path, height: int, width: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    image = np.asarray(Image.open(path).convert("RGB"))
    repeats = (-(-height // image.shape[0]), -(-width // image.shape[1]), 1)
    return np.ascontiguousarray(np.tile(image, repeats)[:height, :width])


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
