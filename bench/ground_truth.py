"""Ground truth of 100 images, three masks each: time of whole processes, and of each stage next to its lower bound."""

import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import race
from cityscapes import layout
from cityscapes.demo import DemoOptions, draw_dataset
from cityscapes.ground_truth import MaskOptions, polygons, worklist
from engine.arrays import UInt8Array
from engine.files import png_writer
from engine.files.atomic import write_bytes

_IMAGES = 100
_ROUNDS = 7
_OPTIONS = MaskOptions()
_NUMBERS = itertools.count()


def run(samples: Path) -> dict[str, Any]:
    """Time generate_gt.py, cityscapesScripts and OpenCV on the same polygon files."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "root", Path(folder) / "out"
        polygons_from = _populate(root, samples)
        ours = ["generate_gt.py", "--root", str(root)]
        seconds = race.time_in_turn(
            {
                "official": ["-m", "bench.contenders.official", str(root), str(out)],
                "OpenCV": ["-m", "bench.contenders.opencv", str(root), str(out)],
                "1 worker": [*ours, "--workers", "1"],
                "2 workers": [*ours, "--workers", "2"],
                "start": ["generate_gt.py", "--help"],
            },
            _ROUNDS,
            lambda: _clear(out, root / layout.GENERATED),
        )
        stages = _stages(worklist.of_root(root))
    return {
        "what": "label ids, train ids and colours of 100 polygon files; whole processes in turn, start included",
        "polygons": polygons_from,
        "images": _IMAGES,
        "rounds": _ROUNDS,
        "seconds": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
        "median_seconds": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "times_as_fast_as_official": race.speedups(seconds, "official"),
        "times_as_fast_as_opencv": race.speedups(seconds, "OpenCV"),
        "stages_ms": stages,
    }


def table(record: dict[str, Any]) -> str:
    """The record as text to print: the contenders and the stages."""
    lines = [f"{record['images']} images, {record['polygons']}, medians of {record['rounds']} rounds"]
    lines.append(f"  {'':<12}{'seconds':>9}{'official =':>12}{'OpenCV =':>10}")
    for name, seconds in record["median_seconds"].items():
        official, opencv = (record[f"times_as_fast_as_{other}"][name] for other in ("official", "opencv"))
        lines.append(
            f"  {name:<12}{seconds:>9.2f}" + (f"{official:>10.1f} x{opencv:>8.1f} x" if name != "start" else "")
        )
    lines.append(
        "milliseconds per image of each stage (lower bound): "
        + ", ".join(
            f"{name} {stage['ms']:.2f} ({stage['limit_ms']:.2f}, {stage['limit']})"
            for name, stage in record["stages_ms"].items()
        )
    )
    return "\n".join(lines)


def _populate(root: Path, samples: Path) -> str:
    """Copy 100 polygon files into a Cityscapes folder; return a description of their origin."""
    found = sorted((samples / "cityscapes_geometry").rglob("*_gtFine_polygons.json"))
    origin = "real geometry"
    if not found:
        draw_dataset(root / "drawn", DemoOptions(width=2048, height=1024, train=10, val=2, test=2), workers=2)
        found = sorted((root / "drawn" / "gtFine").rglob("*_gtFine_polygons.json"))
        origin = "synthetic scenes"
    folder = root / "gtFine" / "val" / "somewhere"
    folder.mkdir(parents=True)
    for number in range(_IMAGES):
        shutil.copyfile(found[number % len(found)], folder / f"somewhere_{number:06}_000019_gtFine_polygons.json")
    shutil.rmtree(root / "drawn", ignore_errors=True)
    return origin


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()


def _stages(jobs: Sequence[worklist.Job]) -> dict[str, dict[str, Any]]:
    """Milliseconds per image of each stage, and of its lower bound, the work that it cannot avoid."""
    sources = [job.polygons for job in jobs]
    raw = [source.read_bytes() for source in sources]
    annotations = [polygons.read(source) for source in sources]
    drawn = [polygons.draw(annotation).label_ids for annotation in annotations]
    steps = [png_writer.Steps.of(ids) for ids in drawn]
    encoded = [_encode(ids) for ids in drawn]
    lines = [[png_writer.lines_of(step, lookup) for lookup in _OPTIONS.lookups.values()] for step in steps[:10]]
    targets = [[job.generated_mask(kind) for kind in _OPTIONS.kinds] for job in jobs]
    reading = _ms(Path.read_bytes, sources)
    return {
        "read": _stage(reading, reading, "it is its own bound"),
        "parse": _stage(_ms(polygons.read, sources) - reading, _ms(json.loads, raw), "JSON alone, unchecked"),
        "fill": _stage(_ms(_fill, annotations), _ms(np.copy, drawn), "copying the mask"),
        "encode": _stage(_ms(_encode, drawn), _ms(_compress, lines), "compressing ready rows"),
        "write": _stage(
            _ms(_write, list(zip(targets, encoded, strict=True))), _ms(_dump, encoded), "appending to one file"
        ),
    }


def _stage(ms: float, limit_ms: float, limit: str) -> dict[str, Any]:
    return {"ms": round(ms, 3), "limit_ms": round(limit_ms, 3), "limit": limit}


def _ms(process: Callable[[Any], object], items: Sequence[Any], repeats: int = 3) -> float:
    """Mean over the items of the median milliseconds over the repeats."""
    medians = []
    for item in items:
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            process(item)
            seconds.append(time.perf_counter() - started)
        medians.append(statistics.median(seconds))
    return 1e3 * statistics.mean(medians)


def _fill(annotation: polygons.Annotation) -> UInt8Array:
    return polygons.draw(annotation).label_ids


def _encode(ids: UInt8Array) -> list[bytes]:
    steps = png_writer.Steps.of(ids)
    return [
        png_writer.encode_lookup(steps, lookup, {"Software": _OPTIONS.note}) for lookup in _OPTIONS.lookups.values()
    ]


def _compress(masks: Sequence[UInt8Array]) -> None:
    for lines in masks:
        png_writer.compressed(lines)


def _write(job: tuple[Sequence[Path], Sequence[bytes]]) -> None:
    number = next(_NUMBERS)  # new files each time, as in a first run, because replacing files takes longer
    for path, content in zip(*job, strict=True):
        write_bytes(path.with_name(f"{number}_{path.name}"), content)


def _dump(contents: Sequence[bytes]) -> None:
    with tempfile.TemporaryFile() as file:
        for content in contents:
            file.write(content)
