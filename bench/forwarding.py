"""Predict one image over and over: `python -m bench.forwarding WAY WEIGHTS IMAGE HEIGHTxWIDTH REPEATS IDS [BUDGET]`.

WAY is `ancestor`, `exact` or `ours`. IMAGE is enlarged by repeating it and cut to the size; the prediction goes to
IDS as a NumPy file. Prints JSON: the seconds of each repeat after the first, and resident MiB of the process: when
the network is loaded, its peak from there on, and its peak since it started. With a BUDGET in MiB the image is looked
at in tiles.
"""

import json
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench import REPOSITORY

Look = Callable[[torch.Tensor], torch.Tensor]


def ancestors_way(weights: Path) -> Look:
    """The network as written, in float32 and contiguous memory; imports nothing that it does not need."""
    package = types.ModuleType("fcn")
    package.__path__ = [str(REPOSITORY / "fcn")]  # in place of the real one, which also offers what trains
    sys.modules["fcn"] = package
    from torchvision.transforms import v2

    from fcn.fcn import FCN8s

    network = FCN8s(19)
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    transform = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )

    @torch.no_grad()
    def look(image: torch.Tensor) -> torch.Tensor:
        ids: torch.Tensor = network(transform(image)).argmax(1)[0]
        return ids

    return look


def our_way(weights: Path, exact: bool) -> Look:
    """As `test_fcn.py` predicts, to label ids."""
    import catalogue
    from engine.inference import Forward
    from engine.place import find_place

    benchmark = catalogue.benchmark("cityscapes")
    network, about = catalogue.load_network_for(benchmark, weights)
    return Forward(find_place("auto", "32-true" if exact else "auto"), network, about, benchmark, exact=exact)


def main(argv: Sequence[str]) -> None:
    """Predict, and tell."""
    way, weights, path, size, repeats, ids = argv[:6]
    look = ancestors_way(Path(weights)) if way == "ancestor" else our_way(Path(weights), way == "exact")
    image = torch.from_numpy(_image(Path(path), *map(int, size.split("x")))).permute(2, 0, 1)[None]
    if way == "ancestor":
        image = image.contiguous()  # as torchvision brings it
    ready, peak = _status("VmRSS"), _status("VmHWM")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    if len(argv) > 6:
        from engine.tiles import Tiled

        look = Tiled(look, float(argv[6]))  # type: ignore[arg-type]  # a budget comes with our ways only
    seconds = []
    for _ in range(int(repeats) + 1):
        began = time.perf_counter()
        prediction = look(image)
        seconds.append(time.perf_counter() - began)
    np.save(ids, prediction.numpy())
    worked = _status("VmHWM")
    print(json.dumps({"seconds": seconds[1:], "ready": ready, "working_peak": worked, "peak": max(peak, worked)}))


def _image(path: Path, height: int, width: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    image = np.asarray(Image.open(path).convert("RGB"))
    repeats = (-(-height // image.shape[0]), -(-width // image.shape[1]), 1)
    return np.ascontiguousarray(np.tile(image, repeats)[:height, :width])


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
