import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision.models import vgg11_bn

import train_fcn
from bench import tiny
from camvid.labels import ANNOTATED
from cityscapes import ground_truth
from cityscapes.demo import DemoOptions, draw_dataset
from cityscapes.ground_truth import worklist
from engine import checkpoints
from engine.arrays import UInt8Array
from engine.checkpoints import About
from engine.files.atomic import write_text
from engine.files.images import write_png
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD
from pascal_voc.labels import PALETTE

hypothesis.settings.register_profile("no deadline", deadline=None)  # the speed of machines differs
hypothesis.settings.load_profile("no deadline")

REPOSITORY = Path(__file__).parents[1]

Ending = Callable[..., str]
"""Type of the fixture `error_of`."""


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cache folder for programs that OpenVINO compiles, shared by all tests instead of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(autouse=True)
def _processes_end() -> Iterator[None]:
    """Fail the test that leaves a process behind, rather than a later test that counts processes."""
    yield
    for process in multiprocessing.active_children():
        process.join(10)  # a process that is about to end is allowed
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic Cityscapes with drawn ground truth; tests must not change it."""
    root = tmp_path_factory.mktemp("demo")
    draw_dataset(root, DemoOptions(train=4, val=3, test=2))
    ground_truth.generate(worklist.of_root(root), ground_truth.MaskOptions(), workers=1)
    return root


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real samples; tests must not change it."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs real samples in {folder}; set SEGMENTATION_DATA to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def run(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs; tests must not change it."""
    saved = tmp_path_factory.mktemp("saved")
    arguments = "--backbone_weights none --epochs 3 --batch_size 2 --crop_size 64 --workers 1 --accelerator cpu"
    assert train_fcn.main(["--root", str(demo_root), "--saved", str(saved), "--name", "r", *arguments.split()]) == 0
    return saved / "r"


@pytest.fixture
def tiny_training(demo_root: Path, tmp_path: Path) -> list[str]:
    """Arguments of a training that takes a second."""
    return [
        *("--network", "bench.tiny:build", "--curves", "none"),
        *("--root", str(demo_root), "--saved", str(tmp_path / "saved"), "--backbone_weights", "none"),
        *("--epochs", "2", "--batch_size", "2", "--crop_size", "64", "--workers", "0", "--accelerator", "cpu"),
    ]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """w.pth, the weights of a tiny network; tests must not change it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    about = About(tiny.NAME, 19, "cityscapes", IMAGENET_MEAN, IMAGENET_STD, 0, None)
    checkpoints.save(path, tiny.build(19).state_dict(), about)
    return path


@pytest.fixture
def pretrained() -> dict[str, torch.Tensor]:
    """Random weights with the names of torchvision's vgg11_bn; those of the classifier, most of them, are empty."""
    with torch.device("meta"):
        names = vgg11_bn(weights=None).state_dict()
    torch.manual_seed(5)
    return {
        name: torch.empty(0) if name.startswith("classifier") else torch.randn(value.shape).to(value.dtype)
        for name, value in names.items()
    }


@pytest.fixture
def changed_root(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of `demo_root` that a test may damage."""
    return Path(shutil.copytree(demo_root, tmp_path / "data"))


# One small root for each benchmark; the fixture is called NAME_root.


@pytest.fixture
def cityscapes_root(demo_root: Path) -> Path:
    return demo_root


def blocks(classes: int, seed: int, void: int) -> npt.NDArray[np.uint8]:
    """Mask (30, 44) of ids in blocks: every class and void."""
    order = np.random.default_rng(seed).permutation([*range(classes), void])
    return np.resize(order, (6, 11)).astype(np.uint8).repeat(5, 0).repeat(4, 1)


def photograph(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.stack([mask * 7, mask * 3, 255 - mask], axis=-1)


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """CamVid in SegNet's layout: 3 train, 2 val and 2 test images."""
    base = tmp_path / "camvid" / "CamVid"
    for number, split in enumerate(["train"] * 3 + ["val"] * 2 + ["test"] * 2):
        mask, stem = blocks(11, number, void=11), f"0001TP_{number:06}"
        write_png(base / split / f"{stem}.png", photograph(mask))
        write_png(base / f"{split}annot" / f"{stem}.png", mask)
        with (base / f"{split}.txt").open("a") as file:
            file.write(f"/SegNet/CamVid/{split}/{stem}.png /SegNet/CamVid/{split}annot/{stem}.png\n")
    return base.parent


@pytest.fixture
def camvid32_root(tmp_path: Path) -> Path:
    """CamVid in the layout of its release: 14 images."""
    root = tmp_path / "camvid32"
    for number in range(14):
        mask, stem = blocks(31, number, void=255), f"0006R0_f{number:05}"
        write_png(root / "701_StillsRaw_full" / f"{stem}.png", photograph(mask))
        write_png(root / "LabeledApproved_full" / f"{stem}_L.png", ANNOTATED.colorize(mask))
    return root


def write_voc_mask(path: Path, mask: npt.NDArray[np.uint8]) -> None:
    image = Image.fromarray(mask)
    image.putpalette(PALETTE.tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def pascal_voc_root(tmp_path: Path) -> Path:
    """VOC2012, VOC2011 val and SBD; as in the real data, some images are in more than one of them."""
    root = tmp_path / "voc"
    sbd = root / "benchmark_RELEASE" / "dataset"
    lists = {
        root / "VOCdevkit" / "VOC2012": {"train": "abc", "val": "de", "trainval": "abcde", "test": "fg"},
        root / "VOCdevkit" / "VOC2011": {"val": "dhi"},
        sbd: {"train": "ahj", "val": "dk"},
    }
    for base, splits in lists.items():
        for split, letters in splits.items():
            names = [f"2007_00000{letter}" for letter in letters]
            listing = base / (f"{split}.txt" if base == sbd else f"ImageSets/Segmentation/{split}.txt")
            listing.parent.mkdir(parents=True, exist_ok=True)
            listing.write_text("\n".join(names) + "\n")
            for name in names:
                mask = blocks(21, ord(name[-1]), void=255)
                write_png(base / ("img" if base == sbd else "JPEGImages") / f"{name}.jpg", photograph(mask))
                if base == sbd:
                    (sbd / "cls").mkdir(exist_ok=True)
                    savemat(sbd / "cls" / f"{name}.mat", {"GTcls": {"Boundaries": [], "Segmentation": mask}})
                elif split != "test":
                    write_voc_mask(base / "SegmentationClass" / f"{name}.png", mask)
    return root


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]) -> Ending:
    """Function that runs a command on bad input and returns its error output."""

    def run_command(main: Callable[[list[str]], int], *arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        message = capsys.readouterr().err
        assert "Traceback" not in message
        return message

    return run_command


ROAD_SIZES = ((96, 64), (90, 61), (101, 66))
"""Widths and heights of the images; the official ones differ in size too."""

ROAD_CALIBRATION = """P0: 1 0 0 0 0 1 0 0 0 0 1 0
P2: 60 0 48 1.5 0 60 20 0.25 0 0 1 0.003
R0_rect: 0.9999 0.0098 -0.0074 -0.0098 0.9999 -0.0042 0.0074 0.0043 0.9999
Tr_cam_to_road: 0.9999 -0.0055 -0.0074 0.0096 0.0054 0.9999 -0.0111 -1.6 0.0075 0.011 0.9999 0.28
"""


def road_truth(width: int, height: int, margin: float) -> UInt8Array:
    """A road that narrows to the horizon, in the official colours; the sky is void."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[rows > height // 4, 0] = 255
    pixels[abs(columns - width / 2) < (rows - height / 3) * margin, 2] = 255
    return pixels


def draw_road(root: Path, *, trained: int, tested: int) -> None:
    """Draw a small data_road in the official layout, with grey roads on green."""
    for part, number in (("training", trained), ("testing", tested)):
        for place, category in enumerate(("um", "umm", "uu")):
            for frame in range(number):
                width, height = ROAD_SIZES[(frame + place) % len(ROAD_SIZES)]
                road = road_truth(width, height, 0.8)
                image = np.where(road[..., 2:] > 0, 90, np.array([20, 120, 30])).astype(np.uint8)
                write_png(root / part / "image_2" / f"{category}_{frame:06}.png", image)
                write_text(root / part / "calib" / f"{category}_{frame:06}.txt", ROAD_CALIBRATION)
                if part == "training":
                    write_png(root / part / "gt_image_2" / f"{category}_road_{frame:06}.png", road)
                if part == "training" and category == "um":
                    lane = road_truth(width, height, 0.4)
                    write_png(root / part / "gt_image_2" / f"um_lane_{frame:06}.png", lane)


@pytest.fixture
def road_root(tmp_path: Path) -> Path:
    """A small synthetic data_road that a test may damage."""
    root = tmp_path / "data_road"
    draw_road(root, trained=6, tested=2)
    return root


@pytest.fixture
def kitti_road_root(road_root: Path) -> Path:
    return road_root


@pytest.fixture
def kitti_lane_root(road_root: Path) -> Path:
    return road_root
