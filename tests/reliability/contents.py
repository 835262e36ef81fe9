"""Files with hostile content or of a hostile kind: PNGs, JSON, YAML, pipes and devices."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.reliability.commands import COMMANDS, Command
from tests.reliability.hostile_file import CHECK, HostileFile, png_of, writer


def pngs() -> list[HostileFile]:
    """Hostile PNGs instead of masks, predictions and images."""
    zeros = zlib.compress(bytes(1 << 28), 9)
    huge_text = struct.pack(">I", len(zeros) + 6) + b"zTXt" + b"a\0\0" + zeros
    made: dict[str, bytes] = {
        "16,384 x 16,384 pixels of nothing": png_of(16_384, 16_384, 8, zeros),
        "20,000 x 20,000 pixels": png_of(20_000, 20_000, 8, zeros),
        "2 billion pixels a side": png_of((1 << 31) - 1, (1 << 31) - 1, 8, b""),
        "256 MiB behind 64 x 32 pixels": png_of(64, 32, 8, zeros),
        "256 MiB of a note": png_of(64, 32, 8, zlib.compress(bytes(65 * 32)), huge_text + bytes(4)),
        "no pixels": png_of(0, 0, 8, zlib.compress(b"")),
        "no data": png_of(64, 32, 8, b""),
        "a chunk of 4 GiB": b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIHDR" + bytes(30),
        "only its signature": b"\x89PNG\r\n\x1a\n",
    }
    stem = "frankfurt_000000_000019"
    score = Command("cityscapes.scoring --predictions predictions/val --root data", ("data", "predictions/val"))
    labels = Command("generate_gt --root data --from_labels", ("data/gtFine", "data/leftImg8bit"))
    places = {
        "scored mask": (score, f"data/gtFine/val/frankfurt/{stem}_gtFine_labelIds.png"),
        "prediction": (score, f"predictions/val/frankfurt/{stem}_labelId_preds.png"),
        "label mask": (labels, f"data/gtFine/val/frankfurt/{stem}_gtFine_labelIds.png"),
        "instance mask": (COMMANDS["score_instances"], f"instances/val/masks/{stem}_0.png"),
        "packed instance mask": (
            COMMANDS["pack_instances"],
            "instances/test/masks/berlin_000000_000019_0.png",
        ),
        "instance ids": (COMMANDS["generate_panoptic"], f"boxes/gtFine/val/frankfurt/{stem}_gtFine_instanceIds.png"),
        "panoptic PNG": (
            COMMANDS["score_panoptic"],
            f"panoptic/val/cityscapes_panoptic_val/{stem}_gtFine_panoptic.png",
        ),
        "inspected image": (
            Command("cityscapes.doctor --root data"),
            f"data/leftImg8bit/val/frankfurt/{stem}_leftImg8bit.png",
        ),
    }
    return [
        HostileFile(f"{place} of {what}", command, file, writer(content), harmless=place == "inspected image")
        for place, (command, file) in places.items()
        for what, content in made.items()
    ]


def texts() -> list[HostileFile]:
    """Hostile JSON, YAML and CSV."""
    generate = Command("generate_gt --root data", ("data/gtFine", "data/leftImg8bit"))
    labels = Command("generate_gt --root data --labels labels.yaml", ("data/gtFine", "data/leftImg8bit"))
    compare = Command("cityscapes.scoring --compare scores.json scores.json", ())
    aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(9 * ['*' + old])}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    square = [[0, 0], [9, 0], [9, 9]]
    objects = {
        "a million corners": [{"label": "road", "polygon": [[n % 64, n % 32] for n in range(1_000_000)]}],
        "100,000 cars": [{"label": "car", "polygon": square}] * 100_000,
        "corners far away": [{"label": "road", "polygon": [[-8e6, -8e6], [8e6, 0], [0, 8e6]]}],
        "corners that are infinite": [{"label": "road", "polygon": [[float("inf"), 0], [1, 1], [2, 2]]}],
    }
    polygons = {
        name: json.dumps({"imgWidth": 64, "imgHeight": 32, "objects": inside}).encode()
        for name, inside in objects.items()
    }
    polygons |= {
        "an image of 268 million pixels": json.dumps(
            {"imgWidth": 1 << 14, "imgHeight": 1 << 14, "objects": []}
        ).encode(),
        "an image of 10^400 pixels": b'{"imgWidth": 1' + b"0" * 400 + b', "imgHeight": 1, "objects": []}',
        "lists without end": b"[" * 1_000_000,
        "a number of 100,000 digits": b'{"imgWidth": ' + b"9" * 100_000 + b"}",
        "a lone surrogate": b'{"imgWidth": 64, "imgHeight": 32, "objects": [{"label": "\\ud800", "polygon": []}]}',
    }
    yamls = {
        "an alias bomb": aliases.encode(),
        "lists without end": b"[" * 100_000,
        "a megabyte of keys": b"".join(b"k%d: 1\n" % number for number in range(100_000)),
        "a number of 100,000 digits": b"- {name: x, id: " + b"9" * 100_000 + b"}",
        "code": b"!!python/object/apply:os.system ['touch ../outside/here']",
        "no text": b"\0\1\2\xff",
    }
    jsons = {
        "lists without end": b"[" * 1_000_000,
        "a number of 400 digits": b'{"averageScoreClasses": 1' + b"0" * 400 + b"}",
    }
    file = "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_polygons.json"
    harmless = {"a million corners", "100,000 cars", "corners far away", "an image of 268 million pixels"}
    hostile_files = [
        *((f"polygons with {what}", generate, file, content, what in harmless) for what, content in polygons.items()),
        *((f"a label table with {what}", labels, "labels.yaml", content, False) for what, content in yamls.items()),
        *((f"scores with {what}", compare, "scores.json", content, False) for what, content in jsons.items()),
    ]
    return [
        HostileFile(name, command, path, writer(content), harmless)
        for name, command, path, content, harmless in hostile_files
    ]


def kinds() -> list[HostileFile]:
    """Pipes, devices, folders and links instead of files."""
    places = {
        "polygons": (
            Command("generate_gt --root data", ("data/gtFine", "data/leftImg8bit")),
            "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_polygons.json",
        ),
        "mask": (
            Command("cityscapes.scoring --predictions predictions/val --root data", ("data", "predictions/val")),
            "data/gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png",
        ),
        "prediction": (
            Command("cityscapes.submission pack predictions/test new.zip --root data", ("data", "predictions/test")),
            "predictions/test/berlin/berlin_000000_000019_labelId_preds.png",
        ),
        "image": (
            Command("cityscapes.doctor --root data"),
            "data/leftImg8bit/val/frankfurt/frankfurt_000000_000019_leftImg8bit.png",
        ),
        "instance text": (COMMANDS["score_instances"], "instances/val/frankfurt_000000_000019_pred.txt"),
        "instance mask": (COMMANDS["pack_instances"], "instances/test/masks/berlin_000000_000019_0.png"),
        "panoptic JSON": (COMMANDS["score_panoptic"], "panoptic/val/cityscapes_panoptic_val.json"),
        "panoptic PNG": (
            COMMANDS["pack_panoptic"],
            "panoptic/test/cityscapes_panoptic_test/berlin_000000_000019_gtFine_panoptic.png",
        ),
        "COCO results": (COMMANDS["convert_results"], "coco/results.json"),
        "annotation of labelme": (COMMANDS["convert_labelme"], "labelme/frankfurt_000000_000019.json"),
        "annotations of CVAT": (COMMANDS["convert_cvat"], "cvat/instances_default.json"),
        "zip": (CHECK, "packed.zip"),
        "label table": (Command("generate_gt --root data --labels labels.csv"), "labels.csv"),
        "scores": (Command("cityscapes.scoring --compare scores.json scores.json", ()), "scores.json"),
    }
    writers: dict[str, Callable[[Path], object]] = {
        "a named pipe": os.mkfifo,
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a link to nothing": lambda path: path.symlink_to("nothing"),
        "a folder": Path.mkdir,
    }
    return [
        HostileFile(f"{what} as {place}", command, file, write)
        for place, (command, file) in places.items()
        for what, write in writers.items()
    ]
