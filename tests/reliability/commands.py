"""The commands that are disturbed, each with the files that it needs."""

import importlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.stage import Work

TRAIN = (
    "train_fcn --root data --saved saved --network bench.tiny:build --backbone_weights none --batch_size 2 "
    "--crop_size 32 --workers 0 --accelerator cpu --ema 0.9 --save_minutes 0"
)
TEST = "test_fcn --root data --output outputs --accelerator cpu --profile_images 1 --model_weights_path weights/w.pth"


@dataclass(frozen=True)
class Command:
    """A command line, and the folders and files that it needs from the data folder of the tests."""

    line: str
    """Module and arguments; `--workers` is added if it is missing."""
    takes: tuple[str, ...] = ("data",)
    heavy: bool = False
    """Whether it takes a second instead of milliseconds."""
    speaks: bool = False
    """Whether its printed output is part of the result."""
    alone: bool = False
    """Whether it lacks the option `--workers`."""

    def work(self, workers: int = 1) -> Work:
        """The work of calling its `main`."""
        module, *words = self.line.split()
        if "--workers" not in words and not self.alone:
            words += ["--workers", str(workers)]
        main: Callable[[Sequence[str]], int] = importlib.import_module(module).main

        def call() -> int:
            os.environ["XDG_CACHE_HOME"] = str(Path("programs").absolute())  # cache of OpenVINO's programs
            return main(words)

        return call

    def lay_out(self, world: Path, folder: Path) -> None:
        """Copy the files that the command needs into a new folder."""
        folder.mkdir(parents=True)
        for name in self.takes:
            source, target = world / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)


COMMANDS: dict[str, Command] = {
    "generate": Command("generate_gt --root data --official_names --instance_ids", ("data/gtFine", "data/leftImg8bit")),
    "generate_from_labels": Command("generate_gt --root data --from_labels", ("data/gtFine", "data/leftImg8bit")),
    "score": Command(
        "cityscapes.scoring --predictions predictions/val --root data --output scores.json --details details",
        ("data", "predictions/val"),
        speaks=True,
    ),
    "check": Command(
        "cityscapes.submission check predictions/test --root data", ("data", "predictions/test"), speaks=True
    ),
    "check_zip": Command("cityscapes.submission check packed.zip --root data", ("data", "packed.zip"), speaks=True),
    "check_recorded": Command(
        "cityscapes.submission check packed.zip --root data --output packed.zip.check.json", ("data", "packed.zip")
    ),
    "pack": Command(
        "cityscapes.submission pack predictions/test new.zip --root data --subset",
        ("data", "predictions/test"),
        speaks=True,
    ),
    "fix": Command("cityscapes.submission fix wrong fixed --root data", ("data", "wrong"), speaks=True),
    "generate_panoptic": Command("generate_gt --root boxes --from_labels --panoptic", ("boxes",)),
    "score_instances": Command(
        "cityscapes.scoring --task instance --predictions instances/val --root boxes --output scores.json "
        "--details details",
        ("boxes", "instances/val"),
        speaks=True,
    ),
    "score_panoptic": Command(
        "cityscapes.scoring --task panoptic --predictions panoptic/val --root boxes --output scores.json "
        "--details details",
        ("boxes", "panoptic/val"),
        speaks=True,
    ),
    "check_instances": Command(
        "cityscapes.submission check instances/test --root data", ("data", "instances/test"), speaks=True
    ),
    "check_panoptic": Command(
        "cityscapes.submission check panoptic/test --root data", ("data", "panoptic/test"), speaks=True
    ),
    "pack_instances": Command(
        "cityscapes.submission pack instances/test new.zip --task instance --root data --subset",
        ("data", "instances/test"),
        speaks=True,
    ),
    "pack_panoptic": Command(
        "cityscapes.submission pack panoptic/test new.zip --task panoptic --root data --subset",
        ("data", "panoptic/test"),
        speaks=True,
    ),
    "fix_instances": Command(
        "cityscapes.submission fix instances/test fixed --root data", ("data", "instances/test"), speaks=True
    ),
    "convert_results": Command(
        "cityscapes.convert coco_instances coco/results.json converted --categories label_ids", ("coco",), speaks=True
    ),
    "convert_panoptic": Command(
        "cityscapes.convert coco_panoptic panoptic/val/cityscapes_panoptic_val.json "
        "panoptic/val/cityscapes_panoptic_val converted --categories label_ids",
        ("panoptic/val",),
        speaks=True,
    ),
    "convert_labelme": Command("cityscapes.convert labelme labelme converted", ("labelme",), speaks=True),
    "convert_cvat": Command("cityscapes.convert cvat cvat/instances_default.json converted", ("cvat",), speaks=True),
    "doctor": Command("cityscapes.doctor --root data", speaks=True),
    "demo": Command("cityscapes.demo --root demo --size 32x64 --train 1 --val 1 --test 1", ()),
    "score_roads": Command(
        "kitti_road.scoring --predictions roads/training --root data_road --split training --output scores.json",
        ("data_road", "roads"),
        speaks=True,
    ),
    "pack_roads": Command(
        "kitti_road.submission pack roads/testing new.zip --root data_road --subset",
        ("data_road", "roads"),
        speaks=True,
    ),
    "unpack": Command("camvid.download --root camvid --archive camvid.tar", ("camvid.tar",), speaks=True, alone=True),
    "score_camvid": Command(
        "camvid.scoring --predictions camvid_predictions --root . --split val --output scores.json",
        ("CamVid", "camvid_predictions"),
        speaks=True,
    ),
    "report": Command(
        "report saved/done reported data --root data --output report.html --pictures 2",
        ("data", "saved/done", "reported"),
        speaks=True,
    ),
    "train": Command(f"{TRAIN} --epochs 1 --name new --curves false", heavy=True),
    "train_with_index": Command(
        f"{TRAIN} --epochs 1 --name new --cache cache --class_uniform 0.5 --save_every 1 "
        "--initial_weights weights/w.pth",
        ("data", "weights"),
        heavy=True,
    ),
    "train_by_processes": Command(f"{TRAIN} --workers 1 --epochs 1 --name new --curves false", heavy=True),
    "resume": Command(f"{TRAIN} --epochs 2 --name begun --curves false", ("data", "saved/begun"), heavy=True),
    "predict_test": Command(TEST, ("data", "weights", "programs"), heavy=True),
    "predict_val": Command(f"{TEST} --split val --engine torch", ("data", "weights"), heavy=True),
    "predict_images": Command(f"{TEST} --images photos --engine torch", ("photos", "weights"), heavy=True),
    "export": Command(
        "export_fcn --model_weights_path weights/w.pth --format torch --size 32x64 --output exported",
        ("weights",),
        heavy=True,
        alone=True,
    ),
}


def load_modules(*, heavy: bool) -> None:
    """Import the modules that commands import late, so that a forked command starts at once.

    Light commands must run without torch, because they start their workers in another way without it.
    """
    for command in COMMANDS.values():
        if heavy or not command.heavy:
            importlib.import_module(command.line.split()[0])
    late = ["numpy", "yaml", "PIL.PngImagePlugin", "kornia_rs"]
    for name in [*late, "torch.utils.tensorboard", "torchvision"] if heavy else late:
        importlib.import_module(name)
    if heavy:
        # Without its telemetry, like the commands: that starts a process, which waits for the network.
        importlib.import_module("engine.inference.openvino").load_library()
