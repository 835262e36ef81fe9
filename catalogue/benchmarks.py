"""The benchmarks of the catalogue by name; nothing here imports torch."""

from collections.abc import Callable
from functools import partial

from camvid.dataset import CamVid32Benchmark, CamVidBenchmark
from catalogue import import_path
from cityscapes.dataset import CityscapesBenchmark
from engine.benchmark import Benchmark
from kitti_road.dataset import KittiRoadBenchmark
from pascal_voc.dataset import PascalVocBenchmark

BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "cityscapes": CityscapesBenchmark,
    "camvid": CamVidBenchmark,
    "camvid32": CamVid32Benchmark,
    "kitti_lane": partial(KittiRoadBenchmark, "lane"),
    "kitti_road": KittiRoadBenchmark,
    "pascal_voc": PascalVocBenchmark,
}


def benchmark(name: str) -> Benchmark:
    """The benchmark with a name of the catalogue, or with the import path of a module.

    Raises:
        InputError: if there is no such benchmark.
    """
    if name not in BENCHMARKS and import_path.is_import_path(name):
        return import_path.benchmark(name)
    return import_path.choose(BENCHMARKS, name, "--benchmark", "package.module")()
