"""Hostile files for the report, which shows what it can, names the rest, and never stops."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.reliability.commands import COMMANDS
from tests.reliability.hostile_file import HostileFile, png_of, writer


def reports() -> list[HostileFile]:
    """Hostile files in the folders of a report: of a run, of its results, of predictions and of agreement."""
    aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(9 * ['*' + old])}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    epoch = {"epoch": 1, "learning_rate": 0.1, "train_loss": 1.0, "val_miou": 0.5, "val_iou": [0.5] * 19}
    lines = "".join(json.dumps({**epoch, "epoch": number}) + "\n" for number in range(1, 100_001))
    markup = "</script><script>document.title = 1</script>"
    deep, digits = b"[" * 1_000_000, b'{"averageScoreClasses": 1' + b"0" * 100_000 + b"}"
    scores = {
        "classScores": {markup: 0.5, "road": "high", "car": -3},
        "averageScoreClasses": [1],
        "confMatrix": [[1, 2], [3]],
        "images": {markup: {"hits": [-1], "unions": "many"}},
    }
    zeros = zlib.compress(bytes(1 << 28), 9)
    note = struct.pack(">I", len(zeros) + 6) + b"zTXt" + b"a\0\0" + zeros
    contents: dict[str, dict[str, bytes]] = {
        "saved/done/config.yaml": {
            "an alias bomb": aliases.encode(),
            "a cycle": b"a: &a {b: *a}\n",
            "lists without end": b"[" * 100_000,
            "no text": b"\0\1\2\xff",
            "markup": f'network: "{markup}"\nbenchmark: "../../etc"\nepochs: "{markup}"\n'.encode(),
            "a benchmark that is code": b"benchmark: 'os:abort'\nnetwork: 'os:abort'\nepochs: 2\n",
        },
        "saved/done/history.jsonl": {
            "100,000 epochs": lines.encode(),
            "a line of 30 MB": b'{"epoch": 1, "train_loss": ' + b"1" * 30_000_000 + b"}\n",
            "lists without end": deep,
            "infinite values": b'{"epoch": 1, "train_loss": 1e999, "val_miou": NaN, "val_iou": [Infinity]}\n',
        },
        "saved/done/environment.json": {"lists without end": deep, "other types": b'[[1], {"commit": {}}, "x"]'},
        "reported/val/scores.json": {
            "lists without end": deep,
            "a number of 100,000 digits": digits,
            "other types": json.dumps(scores).encode(),
        },
        "reported/val/predictions.json": {
            "lists without end": deep,
            "other types": b'{"origin": {"benchmark": ["os"]}, "source": {"root": 5}, "images": {}}',
            "a benchmark that is code": b'{"origin": {"benchmark": "os:abort"}, "source": {}, "images": {}}',
        },
        "reported/test/profile.json": {"lists without end": deep, "other types": b'{"milliseconds": {"total": []}}'},
        "reported/test/submission.zip.manifest.json": {"lists without end": deep, "other types": b'{"zip": 1}'},
        "reported/val/predictions/frankfurt/frankfurt_000000_000019_labelId_preds.png": {
            "2 billion pixels a side": png_of((1 << 31) - 1, (1 << 31) - 1, 8, b""),
            "16,384 x 16,384 pixels of nothing": png_of(16_384, 16_384, 8, zeros),
            "256 MiB of a note": png_of(64, 32, 8, zlib.compress(bytes(65 * 32)), note + bytes(4)),
            "another size": png_of(5, 3, 8, zlib.compress(bytes(6 * 3))),
        },
        "data/generated_gt/agreement.csv": {
            "other columns": b"a,b\n1,2\n",
            "a field of 10 MB": b"of,name,pixels\nall," + b"x" * 10_000_000,
        },
    }
    report = COMMANDS["report"]
    found = [
        HostileFile(f"{Path(file).name} with {what}", report, file, writer(content), harmless=True)
        for file, of_file in contents.items()
        for what, content in of_file.items()
    ]
    kinds: dict[str, Callable[[Path], object]] = {
        "a named pipe": os.mkfifo,
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a folder": Path.mkdir,
    }
    return found + [
        HostileFile(f"{what} as {Path(file).name}", report, file, write, harmless=True)
        for file in contents
        for what, write in kinds.items()
    ]
