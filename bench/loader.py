"""Loading crops for training, side by side with the original pipeline: same crops and augmentation, two processes."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import race
from bench.contenders.loader import BATCH, CROP, WORKERS
from cityscapes import ground_truth, layout
from cityscapes.dataset import CityscapesBenchmark
from cityscapes.ground_truth import worklist
from engine.data.cache import Cache
from engine.data.dataset import FileReader
from engine.errors import InputError


def run(samples: Path, crops: int = 96, rounds: int = 5) -> dict[str, Any]:
    """Time all contenders in turn on the same files, and time filling the cache once.

    Raises:
        InputError: if there are no real images, or a contender fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "data", Path(folder) / "cache"
        scenes = _populate(root, samples / "cityscapes")
        filling = _fill(root, cache)
        arguments = [str(root), str(crops)]
        contenders = {
            "original": ["-m", "bench.contenders.loader", "original", *arguments],
            "ours": ["-m", "bench.contenders.loader", "ours", *arguments],
            "ours, cached": ["-m", "bench.contenders.loader", "ours", *arguments, str(cache)],
        }
        seconds = race.time_in_turn(contenders, rounds, self_timed=True)
        size = sum(path.stat().st_size for path in cache.rglob("*.npy"))
    return {
        "what": f"load crops of {CROP} x {CROP} from 2048 x 1024, batches of {BATCH}, {WORKERS} processes, original "
        "augmentation; the second pass over all crops, timed by the process itself",
        "scenes": scenes,
        "crops": crops,
        "rounds": rounds,
        "crops_per_second": {name: round(crops / statistics.median(times), 2) for name, times in seconds.items()},
        "times_as_fast_as_original": race.speedups(seconds, "original"),
        "cache": {
            "bytes_an_image": size // scenes,
            "milliseconds_an_image_to_fill": round(1e3 * filling / scenes),
            "location": "memory: the page cache holds the few files of this bench",
        },
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    rows = [
        f"  {name:<18} {rate:7.2f} crops/s  {record['times_as_fast_as_original'][name]:5.2f} x"
        for name, rate in record["crops_per_second"].items()
    ]
    cache = record["cache"]
    return "\n".join(
        [
            f"{record['crops']} crops of {record['scenes']} scenes, medians of {record['rounds']} rounds",
            *rows,
            f"  the cache takes {cache['bytes_an_image'] / 1e6:.1f} MB per image, and "
            f"{cache['milliseconds_an_image_to_fill']} ms per image to fill, once",
        ]
    )


def _populate(root: Path, samples: Path) -> int:
    """Make a Cityscapes root of the real scenes with an image, and draw their masks; return the number of scenes."""
    splits = ("train", "val") if samples.is_dir() else ()
    scenes = [scene for split in splits for scene in layout.scenes_with_image(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: no real images to load; pass a folder with cityscapes/leftImg8bit as --samples")
    for scene in scenes:
        for kind in (layout.Scene.image, layout.Scene.polygons):
            link = kind(scene, root)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(kind(scene, samples).resolve())
    ground_truth.generate(worklist.of_root(root), ground_truth.MaskOptions(), workers=1)
    return len(scenes)


def _fill(root: Path, folder: Path) -> float:
    """Fill the cache with one process; return the seconds that this took."""
    benchmark = CityscapesBenchmark()
    samples = [sample for split in ("train", "val") for sample in benchmark.samples(root, split)]
    began = time.perf_counter()
    Cache(folder, FileReader(benchmark.train_ids)).fill(samples, 1)
    return time.perf_counter() - began
