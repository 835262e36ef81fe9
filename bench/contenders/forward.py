"""Predict one image again and again, and tell how long that takes and how much memory.

Usage: `python -m bench.contenders.forward DEVICE CONTENDER WEIGHTS IMAGE HEIGHTxWIDTH REPEATS IDS [BUDGET]`

DEVICE is `cpu` or `gpu`, CONTENDER one of `OPTIONS`. IMAGE is enlarged by repeating it and cut to the size; it lies on
the device, and so does the prediction, which then goes to IDS as a NumPy file. Prints JSON: the seconds of each repeat
after those to warm up, and MiB, resident ones of the process or those allocated on the GPU: when the network is
loaded, the peak from there on, which includes what a search for fast algorithms takes, the peak after the warm-up, the
peak since the start, and on a GPU the most that the allocator held after the warm-up, memory of CUDA graphs included.
With a BUDGET in MiB the image is looked at in tiles.
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
"""Name -> how our own one is made."""
WARM_UP = {"cpu": 1, "gpu": 5}


def original_network(weights: Path, device: str) -> Predict:
    """The network as written, in float32 and contiguous memory; imports nothing that it does not need."""
    package = types.ModuleType("fcn")
    package.__path__ = [str(REPOSITORY / "fcn")]  # in place of the real one, which also offers what trains
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


def our_network(weights: Path, device: str, precision: str, **how: Any) -> Predict:
    """As `test_fcn.py` predicts, to label ids; the rest goes to `NetworkSegmenter`."""
    import catalogue.weights
    from engine.devices.process import find_process
    from engine.inference.network import NetworkSegmenter

    benchmark = catalogue.benchmark("cityscapes")
    network, about, _ = catalogue.weights.load_network_for(benchmark, weights)
    exact = precision == "32-true"
    return NetworkSegmenter(find_process(device, precision), network, about, benchmark, exact=exact, **how)


def main(argv: Sequence[str]) -> None:
    """Predict, and tell."""
    device, contender, weights, path, size, repeats, ids = argv[:7]
    predict = (
        original_network(Path(weights), device)
        if contender == "original"
        else our_network(Path(weights), device, **OPTIONS[contender])
    )
    image = torch.from_numpy(_image(Path(path), *map(int, size.split("x")))).permute(2, 0, 1)[None]
    if contender == "original":
        image = image.contiguous()  # as torchvision brings it
    if device == "gpu":
        image = image.cuda()
    memory: _GpuMemory | _ProcessMemory = _GpuMemory() if device == "gpu" else _ProcessMemory()
    ready, peak = memory.now(), memory.peak()
    memory.reset_peak()
    if len(argv) > 7:
        from engine.inference.tiles import TiledSegmenter

        predict = TiledSegmenter(predict, float(argv[7]))  # type: ignore[arg-type]  # a budget comes with our ways only
    seconds, first = [], 0.0
    for number in range(WARM_UP[device] + int(repeats)):
        if number == WARM_UP[device]:  # for all contenders alike, whether they searched for algorithms or not
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
    """MiB of this process."""

    def now(self) -> float:
        """Held now."""
        return _status("VmRSS")

    def peak(self) -> float:
        """Most that was held."""
        return _status("VmHWM")

    def reset_peak(self) -> None:
        """From now on it is another peak."""
        Path("/proc/self/clear_refs").write_text("5")

    def reserved(self) -> float:
        """Most that was held, as here the system itself counts."""
        return self.peak()

    def synchronize(self) -> None:
        """A CPU is done when it returns."""


class _GpuMemory:
    """MiB of tensors on the GPU."""

    def now(self) -> float:
        """Held now."""
        return torch.cuda.memory_allocated() / (1 << 20)

    def peak(self) -> float:
        """Most that was held."""
        return torch.cuda.max_memory_allocated() / (1 << 20)

    def reset_peak(self) -> None:
        """From now on it is another peak; memory that nobody needs any more goes back first."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def reserved(self) -> float:
        """Most that the allocator held: what CUDA graphs replay in counts, which no tensor holds at that time."""
        return torch.cuda.max_memory_reserved() / (1 << 20)

    def synchronize(self) -> None:
        """Until the GPU is done."""
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
