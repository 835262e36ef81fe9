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
    "python test_fcn.py --model_weights_path saved/x/best.pth",
    "python test_fcn.py --model_weights_path saved/x/best.pth --split val --root /data/cityscapes",
    "python test_fcn.py --model_weights_path saved/x/best.pth --images holiday/",
    "python test_fcn.py --model_weights_path saved/x/best.pth --split val --scales 0.75,1,1.25 --flip",
)

RANGES = {
    "profile_images": Range(0, 1_000_000),
    "gif": Range(0, 1000),
    "workers": WORKERS,
    "memory_budget": Range(0, 1 << 30),
}
"""Option -> range of its allowed values."""


@dataclass(frozen=True)
class PredictionOptions:
    """Options of `test_fcn.py`."""

    model_weights_path: Path
    """weights: a checkpoint of train_fcn.py (saved/<run>/best.pth or best.safetensors), or a state dict of a
    built-in network"""
    root: Path = Path("data")
    """folder of the data set"""
    benchmark: str = "cityscapes"
    """data set, which defines classes, splits and prediction files"""
    split: str = "test"
    """split of the data set to predict; test is packed for the server, the others are scored"""
    images: Path | None = None
    """folder of images to predict instead of a split, with colour overlays"""
    output: Path = Path("outputs")
    """folder for results"""
    precision: Precision = "auto"
    """arithmetic precision: 32-true (or fp32) runs the network exactly as it is written; bf16-mixed (bf16); 16-mixed
    (fp16); auto is 16-mixed on GPUs, otherwise float32 with layers fused, which rounds sums in another order"""
    compile: bool = False
    """torch.compile: fuse all steps, on a GPU as CUDA graphs; needs a C++ compiler, and minutes at the start; meant for
    images of one size"""
    engine: Literal["auto", "torch", "openvino"] = "auto"
    """inference engine; auto uses openvino on a CPU if it is installed and runs the network, otherwise torch"""
    kernels: Literal["auto", "triton", "torch"] = "auto"
    """GPU kernels that run in addition to cuDNN's convolutions; auto uses triton if it runs on this GPU"""
    resize: str = ""
    """fixed-size testing: height x width that each image is resized to, for example 256x256; logits are enlarged to the
    image's size before the argmax; excludes --scales, --flip and --window"""
    scales: str = "1"
    """test-time augmentation: scale factors on the image's size, for example 0.75,1,1.25; class probabilities are
    averaged over all of them"""
    flip: bool = False
    """test-time augmentation: also predict the mirror image, and average the class probabilities"""
    window: int = 0
    """sliding-window prediction: side of the square window in pixels; probabilities are averaged where windows overlap;
    0 predicts the whole image at once"""
    memory_budget: int = 0
    """memory budget in MiB for a prediction, in addition to weights, image and result; larger images are predicted in
    tiles; 0 uses the available memory"""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """device to predict on"""
    profile_images: int | None = None
    """number of images to profile stage by stage afterwards; by default 10 of a split, and 0 with --images"""
    figures: str = ""
    """scenes to draw: image, ground truth and prediction next to each other, with a legend; names separated by commas,
    or a number, which draws the scenes with the lowest IoU"""
    gif: int = 0
    """number of images, from the first on, to show with their predictions in an animated GIF"""
    workers: int = max(2, min(8, available_cpus() // 2))
    """number of threads that decode images, of threads that encode, and of processes that check and score predictions;
    by default half the number of cores, from 2 to 8"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Predict, then profile, score or pack the predictions."""
    chosen = options.parse(
        PredictionOptions,
        argv,
        prog="test_fcn.py",
        description="Predict with a trained network; by default the test split, as a zip that the server accepts.",
        examples=EXAMPLES,
    )
    tta = _check(chosen)
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
            others = f"{predictions.folder}: the other images are predicted; fix these and run the same command again"
            raise InputError(*faults, others)
        if process.rank > 0:
            return 0
        if missing := sum(predictions.is_missing(sample) for sample in samples):
            raise InputError(
                f"{predictions.folder}: {missing} of {len(samples)} images are not predicted; "
                "the other processes print why"
            )
        kept = f"; {predictions.kept} of them were kept from an earlier run" if predictions.kept else ""
        if predictions.removed:
            kept += f"; {predictions.removed} were removed (damaged, or of other images, weights or settings)"
        done = f"{counted(len(samples), 'prediction')} of {about.network}, trained for {counted(about.epoch, 'epoch')}"
        print(f"{predictions.folder}: {done}{kept}")
        if predictions.overlays:
            print(f"{predictions.overlays.folder}: the predictions in colour over the images")
        if idle_share is not None:
            print(bottleneck(idle_share, chosen.workers, available_cpus()))
        if profiled := samples[: _images_to_profile(chosen)]:
            _profile(predictor, profiled, folder, idle_share)
        if not chosen.images:
            _score_or_pack(benchmark, predictions.folder, folder, chosen)
        _draw(benchmark, samples, predictions, folder, chosen)
    if chosen.images or chosen.split not in benchmark.hidden_splits:
        print(spelled(f"next: {_next(chosen, benchmark, list(sys.argv[1:] if argv is None else argv))}"))
    return 0


def _next(chosen: PredictionOptions, benchmark: Benchmark, arguments: list[str]) -> str:
    """The next command to type, after predictions that are not packed; the packer prints its own next step."""
    again = shlex.join(["python", "test_fcn.py", *arguments])
    if chosen.images:
        return "open these pictures" if chosen.gif else f"{again} --gif 20"
    if not chosen.figures.strip("0"):
        return f"{again} --figures 5"
    if not benchmark.hidden_splits:
        return "open these figures"
    flag = "" if chosen.benchmark == PredictionOptions.benchmark else f" --benchmark {chosen.benchmark}"
    return f"python test_fcn.py --model_weights_path {chosen.model_weights_path} --root {chosen.root}{flag}"


def _check(chosen: PredictionOptions) -> TtaOptions:
    """Check options before any work.

    Returns:
        The options of test-time augmentation.

    Raises:
        InputError: with all values out of range, or for options that exclude each other.
    """
    faults = out_of_range(vars(chosen) | {"profile_images": _images_to_profile(chosen)}, RANGES)
    if chosen.memory_budget > 0 and chosen.compile:
        faults.append(
            "--memory_budget with --compile: a budget is measured with images of several sizes, and each size would be "
            "compiled for minutes; leave out one of them"
        )
    if faults:
        raise InputError(*faults)
    if chosen.compile:
        require_compiler()
    resize = options.size(chosen.resize, "--resize") if chosen.resize else None
    return TtaOptions.parse(chosen.scales, chosen.flip, chosen.window, resize)


def _images_to_profile(chosen: PredictionOptions) -> int:
    """Number of images to time, which depends on the task by default."""
    if chosen.profile_images is None:
        return 0 if chosen.images else 10
    return chosen.profile_images


def _samples(benchmark: Benchmark, chosen: PredictionOptions) -> list[Sample]:
    if chosen.images is not None:
        return list_images(chosen.images)
    if chosen.split not in benchmark.splits:
        raise InputError(f"--split {chosen.split}: expected one of {', '.join(benchmark.splits)} of {benchmark.name}")
    samples = benchmark.samples(chosen.root, chosen.split)
    require_equal_sizes(benchmark, samples)  # before hours of prediction, not after
    return samples


def _require_scenes(samples: Sequence[Sample], figures: str) -> None:
    """Refuse names of figures that match no sample, before hours of work."""
    if figures.isdecimal() and len(figures) > 6:
        raise InputError(f"--figures {figures}: expected at most 999999, or names")
    if figures and not figures.isdecimal():
        from engine.inference.figures import named

        named(samples, figures)


def _predictions(benchmark: Benchmark, folder: Path, chosen: PredictionOptions, origin: dict[str, Any]) -> Predictions:
    """The folder of predictions, and the files that are made from them."""
    overlays = Overlays(folder / "overlays", benchmark.prediction_colors) if chosen.images else None
    archive = folder / benchmark.archive_name
    names = ("scores.json", "profile.json", "figures", "predictions.gif")
    derived = [archive, Path(f"{archive}.manifest.json"), *(folder / name for name in names)]
    source = {"images": str(chosen.images.resolve())} if chosen.images else {"root": str(chosen.root.resolve())}
    if not chosen.images:
        source["split"] = chosen.split
    return Predictions(folder / "predictions", benchmark.prediction_suffix, origin, overlays, derived, source)


def _profile(predictor: Predictor, samples: Sequence[Sample], folder: Path, idle_share: float | None) -> None:
    images = [sample.image for sample in samples]
    scratch = folder / "predictions" / ".profile.part"  # leftovers of a killed process are removed at the next start
    result = stages.profile(predictor, images, scratch, precision=predictor.forward.precision, warm_up=2)
    write_json(folder / "profile.json", {**result, "gpu_idle_share_of_prediction": idle_share})
    print(f"\n{stages.table(result)}\n{folder / 'profile.json'}: the full profile")


def _score_or_pack(benchmark: Benchmark, predictions: Path, folder: Path, chosen: PredictionOptions) -> None:
    """Pack a split that only the server can score; score any other split."""
    if chosen.split in benchmark.hidden_splits:
        packed = benchmark.pack(predictions, folder / benchmark.archive_name, chosen.root, chosen.workers)
        print(spelled(f"\n{packed}"))
        return
    scores, table = benchmark.score(predictions, chosen.root, chosen.split, chosen.workers)
    write_json(folder / "scores.json", scores)
    print(f"\n{table}\n{folder / 'scores.json'}: all scores")


def _draw(
    benchmark: Benchmark, samples: Sequence[Sample], predictions: Predictions, folder: Path, chosen: PredictionOptions
) -> None:
    """Draw legends, figures and animations, and print where they are."""
    if predictions.overlays or chosen.figures or chosen.gif:
        from engine.inference import figures  # imports Pillow's drawing, which most runs do not need

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
