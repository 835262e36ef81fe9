"""Files with hostile content of the instance and the panoptic task, and of other programs."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from tests.reliability.commands import COMMANDS
from tests.reliability.hostile_file import HostileFile, png_of, writer

_STEM = "frankfurt_000000_000019"
_DEEP = b"[" * 1_000_000
_DIGITS = b"9" * 100_000


def tasks() -> list[HostileFile]:
    """Hostile text files and JSON files; each is refused, or harmless."""
    return [*_instance_texts(), *_panoptic_jsons(), *_coco_results(), *_labelme(), *_cvat()]


def _instance_texts() -> list[HostileFile]:
    line = f"masks/{_STEM}_0.png 26 0.5\n".encode()
    made = {
        "100,000 masks": b"".join(f"masks/{number}.png 26 0.5\n".encode() for number in range(100_000)),
        "10,000 masks that do not exist": b"".join(b"masks/%d.png 26 0.5\n" % number for number in range(10_000)),
        "10,000 times the same mask": line * 10_000,
        "64 MiB without a line break": bytes([97]) * (1 << 26),
        "a path of 100,000 letters": b"a" * 100_000 + b" 26 0.5\n",
        "a path out of the folder": b"../../../../../../etc/passwd 26 0.5\n",
        "numbers of 100,000 digits": b"masks/a.png %b %b\n" % (_DIGITS, _DIGITS),
        "terminal escapes": b"\x1b[2J\xe2\x80\xae 26 0.5\n",
        "no text": b"\0\1\2\xff",
    }
    file, harmless = f"instances/val/{_STEM}_pred.txt", {"10,000 times the same mask"}
    return [
        HostileFile(f"instances with {what}", COMMANDS["score_instances"], file, writer(content), what in harmless)
        for what, content in made.items()
    ]


def _panoptic_jsons() -> list[HostileFile]:
    def annotated(segments: list[Any], **more: Any) -> bytes:
        name = f"{_STEM}_gtFine_panoptic.png"
        entry = {"image_id": _STEM, "file_name": name, "segments_info": segments, **more}
        return json.dumps({"annotations": [entry]}).encode()

    made = {
        "lists without end": b'{"annotations": ' + _DEEP,
        "a number of 100,000 digits": b'{"annotations": [{"image_id": %b}]}' % _DIGITS,
        "200,000 segments": annotated([{"id": number, "category_id": 7} for number in range(200_000)]),
        "200,000 segments of one id": annotated([{"id": 7, "category_id": 7}] * 200_000),
        "200,000 faulty segments": annotated([None] * 200_000),
        "100,000 times one image": b'{"annotations": [' + b", ".join([annotated([])[17:-2]] * 100_000) + b"]}",
        "10 million empty objects": b'{"annotations": [' + b"{}," * 10_000_000 + b"{}]}",
        "256 MiB of a text": b'{"annotations": "' + b"a" * (1 << 28) + b'"}',
        "a file out of the folder": annotated([], file_name="../../../../../../etc/passwd"),
        "a file name of 100,000 letters": annotated([], file_name="a" * 100_000),
        "half of a surrogate pair": annotated([], file_name="\ud800.png"),
        "not numbers": annotated([{"id": float("nan"), "category_id": float("inf")}]),
    }
    file = "panoptic/val/cityscapes_panoptic_val.json"
    return [
        HostileFile(f"panoptic JSON with {what}", COMMANDS[name], file, writer(content))
        for what, content in made.items()
        for name in ("score_panoptic", "convert_panoptic")
    ]


def _coco_results() -> list[HostileFile]:
    def result(segmentation: Any) -> bytes:
        entry = {"image_id": _STEM, "category_id": 26, "segmentation": segmentation, "score": 0.5}
        return json.dumps([entry]).encode()

    size = {"size": [32, 64]}
    small = {**size, "counts": [0, 2048]}
    made = {
        "lists without end": _DEEP,
        "a number of 100,000 digits": b'[{"image_id": %b}]' % _DIGITS,
        "a mask of a billion pixels": result({"size": [1 << 15, 1 << 15], "counts": [0, 1 << 30]}),
        "a mask of 10^18 pixels": result({"size": [10**9, 10**9], "counts": [0, 10**18]}),
        "a million runs": result({**size, "counts": [1] * 1_000_000}),
        "compressed runs without end": result({**size, "counts": "o" * 1_000_000}),
        "a million corners": result([[n % 64 for n in range(2_000_000)]]),
        "corners far away": result([[-1e9, -1e9, 1e9, 0, 0, 1e9]]),
        "corners that are infinite": result([[float("inf"), 0, 1, 1, 2, 2]]),
        "20,000 masks of one image": json.dumps(20_000 * json.loads(result(small))).encode(),
        "5 million empty objects": b"[" + b"{}," * 5_000_000 + b"{}]",
    }
    harmless = {"a million corners"}
    return [
        HostileFile(
            f"COCO results with {what}",
            COMMANDS["convert_results"],
            "coco/results.json",
            writer(content),
            what in harmless,
        )
        for what, content in made.items()
    ]


def _labelme() -> list[HostileFile]:
    def shape(width: int = 64, **values: Any) -> bytes:
        given = {"label": "car", "shape_type": "polygon", "points": [[0, 0], [9, 0], [9, 9]], **values}
        return json.dumps({"shapes": [given], "imageWidth": width, "imageHeight": 32}).encode()

    zeros = zlib.compress(bytes(1 << 26), 9)
    bomb = base64.b64encode(png_of(20_000, 20_000, 8, zeros)).decode()
    made = {
        "lists without end": _DEEP,
        "a million corners": shape(points=[[n % 64, n % 32] for n in range(1_000_000)]),
        "corners far away": shape(points=[[-1e9, -1e9], [1e9, 0], [0, 1e9]]),
        "a circle of 10^300 pixels": shape(shape_type="circle", points=[[0, 0], [1e300, 1e300]]),
        "a mask that is a PNG bomb": shape(shape_type="mask", mask=bomb, points=[[0, 0], [63, 31]]),
        "an image of 10^18 pixels": shape(width=10**18),
        "an image of 256 MiB in it": shape(imageData="a" * (1 << 28)),
    }
    harmless = {"a million corners", "an image of 256 MiB in it"}
    return [
        HostileFile(
            f"labelme with {what}",
            COMMANDS["convert_labelme"],
            f"labelme/{_STEM}.json",
            writer(content),
            what in harmless,
        )
        for what, content in made.items()
    ]


def _cvat() -> list[HostileFile]:
    def exported(images: list[Any], annotations: list[Any]) -> bytes:
        categories = [{"id": 26, "name": "car"}]
        return json.dumps({"images": images, "categories": categories, "annotations": annotations}).encode()

    image = {"id": 1, "file_name": "a.png", "width": 64, "height": 32}
    board = {"size": [1 << 10, 1 << 10], "counts": [1] * (1 << 20)}
    drawn = {"id": 1, "image_id": 1, "category_id": 26, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    made = {
        "lists without end": _DEEP,
        "20,000 images": exported([{**image, "id": n, "file_name": f"{n}.png"} for n in range(20_000)], []),
        "a name of 100,000 letters": exported([{**image, "file_name": "a" * 100_000}], [drawn]),
        "a name out of the folder": exported([{**image, "file_name": "../../../../tmp/outside/a.png"}], [drawn]),
        "an image of 10^18 pixels": exported([{**image, "width": 10**18}], [drawn]),
        "a mask of half a million parts": exported(
            [{**image, "width": 1 << 10, "height": 1 << 10}], [{**drawn, "segmentation": board}]
        ),
    }
    harmless = {"20,000 images", "a mask of half a million parts"}
    file = "cvat/instances_default.json"
    return [
        HostileFile(f"CVAT with {what}", COMMANDS["convert_cvat"], file, writer(content), what in harmless)
        for what, content in made.items()
    ]


def cycles() -> list[HostileFile]:
    """Links to folders that form a cycle, in each folder that is searched."""
    places = {
        "score_instances": "instances/val/masks/again",
        "pack_instances": "instances/test/masks/again",
        "check_panoptic": "panoptic/test/cityscapes_panoptic_test/again",
        "convert_labelme": "labelme/again",
    }

    return [HostileFile(f"{name} in a cycle", COMMANDS[name], file, _link, True) for name, file in places.items()]


def _link(path: Path) -> None:
    path.symlink_to("..", target_is_directory=True)
