"""Flips: one bit of a file flips; the command that reads it must report it, or give the right result."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import COMMANDS
from tests.reliability.faults import Undisturbed, names_of, run_undisturbed
from tests.reliability.record import Case
from tests.reliability.stage import Outcome, perform
from tests.reliability.verdict import Verdict, differences, harm, of_ending, state


class Target(NamedTuple):
    """A kind of file, and the command that reads it."""

    command: str
    pattern: str
    """Pattern of the files, relative to the folder of the command."""
    text: bool = False
    """Whether it is text, which has no checksum, so that damage may make another valid file."""
    made: str = ""
    """Folder of such files that the command itself makes, and reads when it runs again."""


TARGETS: dict[str, Target] = {
    "label mask": Target("score", "data/gtFine/val/**/*_labelIds.png"),
    "instance mask": Target("score", "data/gtFine/val/**/*_instanceIds.png"),
    "prediction scored": Target("score", "predictions/val/**/*.png"),
    "prediction packed": Target("pack", "predictions/test/**/*.png"),
    "prediction fixed": Target("fix", "wrong/*.PNG"),
    "zip": Target("check_zip", "packed.zip"),
    "polygons": Target("generate", "data/gtFine/**/*_polygons.json", text=True),
    "official mask": Target("generate_from_labels", "data/gtFine/**/*_labelIds.png"),
    "text of instances": Target("score_instances", "instances/val/*.txt", text=True),
    "mask of an instance": Target("score_instances", "instances/val/masks/*.png"),
    "instance ids": Target("score_instances", "boxes/gtFine/val/**/*_instanceIds.png"),
    "packed instance": Target("pack_instances", "instances/test/masks/*.png"),
    "panoptic JSON": Target("score_panoptic", "panoptic/val/*.json", text=True),
    "panoptic PNG": Target("score_panoptic", "panoptic/val/*/*.png"),
    "packed panoptic PNG": Target("pack_panoptic", "panoptic/test/*/*.png"),
    "instance ids of panoptic": Target("generate_panoptic", "boxes/gtFine/val/**/*_instanceIds.png"),
    "results of COCO": Target("convert_results", "coco/results.json", text=True),
    "converted panoptic PNG": Target("convert_panoptic", "panoptic/val/*/*.png"),
    "annotation of labelme": Target("convert_labelme", "labelme/*.json", text=True),
    "annotations of CVAT": Target("convert_cvat", "cvat/*.json", text=True),
    "road": Target("score_roads", "data_road/training/gt_image_2/*.png"),
    "confidence": Target("pack_roads", "roads/testing/*.png"),
    "history shown": Target("report", "saved/done/history.jsonl", text=True),
    "scores shown": Target("report", "reported/val/scores.json", text=True),
    "prediction shown": Target("report", "reported/val/predictions/*/*.png"),
    "image of training": Target("train", "data/leftImg8bit/train/**/*.png"),
    "mask of training": Target("train", "data/generated_gt/**/*_trainId.png"),
    "image of validation": Target("train_by_processes", "data/leftImg8bit/val/**/*.png"),
    "mask by a process": Target("train_by_processes", "data/generated_gt/**/*_trainId.png"),
    "cache": Target("train_with_index", "cache/**/*.npy", made="cache"),
    "state": Target("resume", "saved/begun/last.pth"),
    "configuration": Target("resume", "saved/begun/config.yaml", text=True),
    "history": Target("resume", "saved/begun/history.jsonl", text=True),
    "environment": Target("resume", "saved/begun/environment.json", text=True),
    "weights": Target("predict_images", "weights/w.pth"),
    "image predicted": Target("predict_images", "photos/*.png"),
    "compiled program": Target("predict_test", "programs/**/*"),
}


def run(name: str, start: int, stop: int, world: Path, scratch: Path) -> Iterator[Case]:
    """Flip bits of one kind of file, one at a time, each in a new folder."""
    target = TARGETS[name]
    undisturbed = run_undisturbed(COMMANDS[target.command], world, scratch)
    for number in range(start, stop):
        yield _flip(name, target, number, undisturbed, world, scratch)


def _flip(name: str, target: Target, number: int, undisturbed: Undisturbed, world: Path, scratch: Path) -> Case:
    folder, command = scratch / "work", COMMANDS[target.command]
    command.lay_out(world, folder)
    if target.made:
        shutil.copytree(scratch / "kept" / target.made, folder / target.made)
    rng = random.Random(f"{name} {number}")
    path = rng.choice(sorted(path for path in folder.glob(target.pattern) if path.is_file()))
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    before = state(folder)
    outcome = perform(command.work(), folder)
    flipped = path.relative_to(folder).as_posix()
    verdict, why = _judge(target, flipped, outcome, undisturbed, before, state(folder))
    shutil.rmtree(folder)
    return Case(f"{target.command}: bit {bit} of byte {place} of {flipped}", verdict, why, outcome.seconds, outcome.mib)


def _judge(
    target: Target,
    flipped: str,
    outcome: Outcome,
    undisturbed: Undisturbed,
    before: dict[str, str],
    now: dict[str, str],
) -> tuple[Verdict, str]:
    names = [*names_of(flipped), Path(flipped).parent.name] if target.text else names_of(flipped)
    verdict = of_ending(outcome, undisturbed.outcome.code, names)
    if verdict != Verdict.ANSWERED:
        return verdict, f"code {outcome.code}\n{outcome.text}"
    if lost := harm({**undisturbed.before, flipped: before.get(flipped, "")}, now, undisturbed.end):
        return Verdict.LOST, lost
    if outcome.code != undisturbed.outcome.code or any(name in outcome.text for name in names):
        return verdict, ""
    changed = [name for name in differences(now, undisturbed.end) if name != flipped]
    if changed or (COMMANDS[target.command].speaks and outcome.text != undisturbed.outcome.text):
        why = f"code {outcome.code}, but differ: {', '.join(changed)}\n{outcome.text}"
        return (Verdict.VALID if target.text else Verdict.SILENT), why
    return verdict, ""
