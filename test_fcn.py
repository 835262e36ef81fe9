"""Use a trained network: predict a split or a folder, score it, pack the submission, profile."""

import engine.cli.interrupts  # noqa: F401  # Ctrl-C during what follows

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import catalogue.weights
from engine.benchmark import Benchmark, Sample, require_equal_sizes
from engine.checkpoints import results_name
from engine.cli import options
from engine.cli.command import command, exit_process
from engine.cli.invocation import spelled
from engine.devices.device import Precision, require_compiler
from engine.devices.process import find_process
from engine.errors import InputError
from engine.files.atomic import require_writable, write_json
from engine.files.lock import exclusive
from engine.findings import counted
from engine.inference.inputs import list_images
from engine.inference.network import NetworkSegmenter
from engine.inference.openvino import default_cache
from engine.inference.output import Overlays, Predictions
from engine.inference.pipeline import Predictor, bottleneck, predict
from engine.inference.test_time_augmentation import TtaOptions, TtaSegmenter
from engine.inference.tiles import TiledSegmenter
from engine.parallel import available_cpus
from engine.profiling import stages
from engine.ranges import WORKERS, Range, out_of_range

EXAMPLES = (
    "python test_fcn.py --model_weights_path saved/x.pth",
    "python test_fcn.py --model_weights_path saved/x.pth --split val --root /data/cityscapes",
    "python test_fcn.py --model_weights_path saved/x.pth --images holiday/",
    "python test_fcn.py --model_weights_path saved/x.pth --split val --scales 0.75,1,1.25 --flip",
)

RANGES = {
    "profile_images": Range(0, 1_000_000),
    "gif": Range(0, 1000),
    "workers": WORKERS,
    "memory_budget": Range(0, 1 << 30),
}
"""Option -> the numbers that make sense."""


@dataclass(frozen=True)
class PredictionOptions:
    """What to predict, and with which weights."""

    model_weights_path: Path
    """weights of train_fcn.py (saved/<run>/best.pth), or a state dict of a network that is known here"""
    root: Path = Path("data")
    """folder of the data set"""
    benchmark: str = "cityscapes"
    """which data set it is"""
    split: str = "test"
    """which split to predict: test is packed for the server, the others are scored"""
    images: Path | None = None
    """predict every image in this folder instead, with colour overlays"""
    output: Path = Path("outputs")
    """folder that results go to"""
    precision: Precision = "auto"
    """arithmetic: 32-true (or fp32), exactly as the network is written, bf16-mixed (bf16), 16-mixed (fp16); auto is
    16-mixed on GPUs, else float32 with sums in another order"""
    compile: bool = False
    """fuse all steps by torch.compile, on a GPU as CUDA graphs; takes a C++ compiler, and minutes at the start; meant
    for images of one size"""
    engine: Literal["auto", "torch", "openvino"] = "auto"
    """what runs the network; auto is openvino on a CPU where it is installed and takes the network, else torch"""
    kernels: Literal["auto", "triton", "torch"] = "auto"
    """whose kernels a GPU runs beside cuDNN's convolutions; auto is triton where it can be imported"""
    resize: str = ""
    """height x width that each image is resized to before the network sees it, as 256x256; its logits are enlarged to
    the image's size before the argmax; not together with --scales, --flip or --window"""
    scales: str = "1"
    """factors on the image's size; with several, as 0.75,1,1.25, their probabilities are averaged"""
    flip: bool = False
    """also average with the prediction of the mirror image"""
    window: int = 0
    """side of square windows that slide over the image and are averaged where they overlap; 0 for the whole image"""
    memory_budget: int = 0
    """MiB that the network may take beyond its weights; larger images go through in tiles; 0 for what there is"""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """where to predict"""
    profile_images: int | None = None
    """how many images to time stage by stage afterwards; by default 10 of a split, and none with --images"""
    figures: str = ""
    """scenes to draw as image, ground truth and prediction side by side, with a legend: names with commas between, or
    how many, those with the lowest IoU first"""
    gif: int = 0
    """how many images, from the first on, to show with their predictions in an animated GIF"""
    workers: int = max(2, min(8, available_cpus() // 2))
    """threads that decode and encode images, and processes that check and score predictions; by default half as many as
    there are cores, from 2 to 8"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Predict, then profile, score or pack."""
    chosen = options.parse(
        PredictionOptions,
        argv,
        prog="test_fcn.py",
        description="Predict with a trained network; by default the test split, as a zip that the server accepts.",
        examples=EXAMPLES,
    )
    tta = _require_sense(chosen)
    benchmark = catalogue.benchmark(chosen.benchmark)
    network, about, weights_sha256 = catalogue.weights.load_network_for(benchmark, chosen.model_weights_path)
    samples = _samples(benchmark, chosen)
    _require_scenes(samples, chosen.figures)
    folder = chosen.output / results_name(chosen.model_weights_path) / ("images" if chosen.images else chosen.split)
    require_writable(folder)

    process = find_process(chosen.accelerator, chosen.precision)
    forward = NetworkSegmenter(
        process,
        network,
        about,
        benchmark,
        exact=chosen.precision == "32-true",
        compiled=chosen.compile,
        engine=chosen.engine,
        kernels=chosen.kernels,
        cache=default_cache(),
        search=chosen.memory_budget == 0,
        source=str(chosen.model_weights_path),
    )
    predictor = Predictor(TtaSegmenter(TiledSegmenter(forward, chosen.memory_budget or None), tta))
    origin = {
        "weights_sha256": weights_sha256,
        "benchmark": benchmark.name,
        "precision": forward.precision,
        "compiled": chosen.compile,
        "engine": forward.engine,
        "kernels": chosen.kernels,
        **tta.to_json(),
        "memory_budget": chosen.memory_budget,
    }
    predictions = _predictions(benchmark, folder, chosen, origin)
    with exclusive(folder, "give another --output") if process.rank == 0 else nullcontext():
        faults = predict(process, predictor, samples, predictions, workers=chosen.workers)
        idle_share = predictor.idle_share()
        process.barrier()
        if faults:
            raise InputError(
                *faults, f"{predictions.folder}: the other images are predicted; run again once these are fixed"
            )
        if process.rank > 0:
            return 0
        if lacking := sum(predictions.is_missing(sample) for sample in samples):
            raise InputError(
                f"{predictions.folder}: {lacking} of {len(samples)} images are not predicted; other processes say why"
            )
        kept = f"; {predictions.kept} of them were there already" if predictions.kept else ""
        if predictions.removed:
            kept += f"; {predictions.removed} of other images, weights or settings, or damaged, were removed"
        done = f"{counted(len(samples), 'prediction')} of {about.network}, trained for {counted(about.epoch, 'epoch')}"
        print(f"{predictions.folder}: {done}{kept}")
        if predictions.overlays:
            print(f"{predictions.overlays.folder}: the same in colour over the images")
        if idle_share is not None:
            print(bottleneck(idle_share, chosen.workers, available_cpus()))
        if profiled := samples[: _profiled(chosen)]:
            _profile(predictor, profiled, folder, idle_share)
        if not chosen.images:
            _hand_in(benchmark, predictions.folder, folder, chosen)
        _draw(benchmark, samples, predictions, folder, chosen)
    if chosen.images or chosen.split not in benchmark.hidden_splits:
        print(spelled(f"next: {_next(chosen, benchmark, list(sys.argv[1:] if argv is None else argv))}"))
    return 0


def _next(chosen: PredictionOptions, benchmark: Benchmark, arguments: list[str]) -> str:
    """What to do after predictions that are not packed, which say what is next themselves."""
    again = shlex.join(["python", "test_fcn.py", *arguments])
    if chosen.images:
        return "look at these pictures" if chosen.gif else f"{again} --gif 20"
    if not chosen.figures.strip("0"):
        return f"{again} --figures 5"
    if not benchmark.hidden_splits:
        return "look at these figures"
    flag = "" if chosen.benchmark == PredictionOptions.benchmark else f" --benchmark {chosen.benchmark}"
    return f"python test_fcn.py --model_weights_path {chosen.model_weights_path} --root {chosen.root}{flag}"


def _require_sense(chosen: PredictionOptions) -> TtaOptions:
    """How images are looked at; refuses what would fail later.

    Raises:
        InputError: with every fault of the numbers.
    """
    faults = out_of_range(vars(chosen) | {"profile_images": _profiled(chosen)}, RANGES)
    if chosen.memory_budget > 0 and chosen.compile:
        faults.append(
            "--memory_budget with --compile: what fits in a budget is found by trying images of several sizes, each of "
            "which would be compiled for minutes; leave out one of them"
        )
    if faults:
        raise InputError(*faults)
    if chosen.compile:
        require_compiler()
    resize = options.size(chosen.resize, "--resize") if chosen.resize else None
    return TtaOptions.parse(chosen.scales, chosen.flip, chosen.window, resize)


def _profiled(chosen: PredictionOptions) -> int:
    """How many images to time."""
    if chosen.profile_images is None:
        return 0 if chosen.images else 10
    return chosen.profile_images


def _samples(benchmark: Benchmark, chosen: PredictionOptions) -> list[Sample]:
    if chosen.images is not None:
        return list_images(chosen.images)
    if chosen.split not in benchmark.splits:
        raise InputError(f"--split {chosen.split}: {benchmark.name} has {', '.join(benchmark.splits)}")
    samples = benchmark.samples(chosen.root, chosen.split)
    require_equal_sizes(benchmark, samples)  # rather than when all is predicted and shall be scored
    return samples


def _require_scenes(samples: Sequence[Sample], figures: str) -> None:
    """Refuse names of figures that no sample has, before hours of work."""
    if figures.isdecimal() and len(figures) > 6:
        raise InputError(f"--figures {figures}: expected at most 999999, or names")
    if figures and not figures.isdecimal():
        from engine.inference.figures import named

        named(samples, figures)


def _predictions(benchmark: Benchmark, folder: Path, chosen: PredictionOptions, origin: dict[str, Any]) -> Predictions:
    """The folder of predictions, what is made from them, and where."""
    overlays = Overlays(folder / "overlays", benchmark.prediction_colors) if chosen.images else None
    archive = folder / benchmark.archive_name
    names = ("scores.json", "profile.json", "figures", "predictions.gif")
    derived = [archive, Path(f"{archive}.manifest.json"), *(folder / name for name in names)]
    return Predictions(folder / "predictions", benchmark.prediction_suffix, origin, overlays, derived)


def _profile(predictor: Predictor, samples: Sequence[Sample], folder: Path, idle_share: float | None) -> None:
    images = [sample.image for sample in samples]
    scratch = folder / "predictions" / ".profile.part"  # what a killed process leaves of it goes with the next one
    result = stages.profile(predictor, images, scratch, precision=predictor.forward.precision, warm_up=2)
    write_json(folder / "profile.json", {**result, "gpu_idle_share_of_prediction": idle_share})
    print(f"\n{stages.table(result)}\n{folder / 'profile.json'}: the profile in full")


def _hand_in(benchmark: Benchmark, predictions: Path, folder: Path, chosen: PredictionOptions) -> None:
    """Pack what only the server can score, and score the rest."""
    if chosen.split in benchmark.hidden_splits:
        packed = benchmark.pack(predictions, folder / benchmark.archive_name, chosen.root, chosen.workers)
        print(spelled(f"\n{packed}"))
        return
    scores, table = benchmark.score(predictions, chosen.root, chosen.split, chosen.workers)
    write_json(folder / "scores.json", scores)
    print(f"\n{table}\n{folder / 'scores.json'}: the scores in full")


def _draw(
    benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, folder: Path, chosen: PredictionOptions
) -> None:
    """Draw pictures for people, and say what they are."""
    if predictions.overlays or chosen.figures or chosen.gif:
        from engine.inference import figures  # most runs need none

        lines = figures.show(
            benchmark, samples, predictions, folder, wanted=chosen.figures, animated=chosen.gif, workers=chosen.workers
        )
        for line in lines:
            print(line)


def run() -> NoReturn:
    """Run this command as a process, and end that."""
    exit_process(main())


if __name__ == "__main__":
    run()
