"""Drawn files that are damaged, and files whose names and values are HTML, scripts and templates."""

import json
import math
from pathlib import Path

import yaml

from camvid.labels import SEGNET
from engine.files.atomic import write_bytes, write_json, write_text
from tests.report import drawn_records

MARK = "hostile"
"""Name of a variable of the page that is set if a value was run as a script."""
RUN_NAMES = (
    f'<img src=x onerror="window.{MARK}=1">',
    f"'\"><svg onload=window.{MARK}=1>&amp;",
    f"{{{{ 7*7 }}}} {{% raw %}} ${{window.{MARK}=1}} <!--",
    "long " + "name " * 40,
    "\u202eright to left\u202c \u0007 bell",
)
"""Names of run folders."""
CLOSING = Path(f"closes</script><script>window.{MARK}=1<") / "script>"
"""Path of a run folder that closes an element of the page."""
VALUES = (
    f"</script><script>window.{MARK}=1</script>",
    f"</style><img src=x onerror=window.{MARK}=1>",
    f"javascript:window.{MARK}=1",
    "__proto__",
    "\u2028\u2029\x00",
    "{{ config }}{% for x in y %}",
)
"""Values of options."""
CLASS_NAME = f"<b onclick=window.{MARK}=1>tree</b></script><script>window.{MARK}=1</script>"
"""Name of a class."""
_IOUS = [0.3 + 0.02 * number for number in range(drawn_records.CLASSES)]


def hostile(saved: Path, outputs: Path, root: Path) -> None:
    """Write runs and results whose names and values would be markup if they were not escaped."""
    for number, name in enumerate((*map(Path, RUN_NAMES), CLOSING)):
        value = VALUES[number % len(VALUES)]
        more = {"augmentation": value, "loss": VALUES[0], value: value}
        options = drawn_records.config(str(name), root, "fcn8s", number, **more)
        rows = drawn_records.history(4, 0.01, _IOUS, 40 + number)
        drawn_records.write_run(saved / name, options, drawn_records.environment(number, value, CLASS_NAME), rows)
    names = (CLASS_NAME, *SEGNET.names[1:])
    classes = {name: {"iou": 0.5, "dice": 0.6, "pixel_accuracy": 0.7} for name in names}
    counts = {f"{VALUES[0]}.png": {"hits": [5] * len(names), "unions": [10] * len(names)}}
    figures = {"miou": 0.5, "mean_dice": 0.6, "mean_pixel_accuracy": 0.7, "pixel_accuracy": 0.8}
    confusion = [[5 * (row == column) for column in range(len(names) + 1)] for row in range(len(names))]
    result = {
        "images": 1,
        "official_images": None,
        **figures,
        "miou_interval": [0.4, 0.6],
        "classes": classes,
        "confusion": confusion,
        "counts": counts,
    }
    write_json(outputs / RUN_NAMES[0] / "val" / "scores.json", result)
    manifest = {
        "zip": {"name": CLASS_NAME, "bytes": 3, "sha256": "0" * 64},
        "official_test_set": False,
        "deviation": VALUES[0],
        "made_with": {VALUES[1]: VALUES[0]},
        "files": {},
    }
    write_bytes(outputs / RUN_NAMES[0] / "test" / "submission.zip", b"zip")
    write_json(outputs / RUN_NAMES[0] / "test" / "submission.zip.manifest.json", manifest)


def damage(saved: Path, outputs: Path) -> None:
    """Write runs and results that are damaged, each in another way."""
    folder = saved / "damaged"
    write_text(folder / "config.yaml", "epochs: [\n")
    write_bytes(folder / "environment.json", b"\xff\xfe\x00")
    write_text(folder / "history.jsonl", '{"epoch": 1, "val_miou": "high"}\nnot JSON\n{"epoch": 2')
    folder = saved / "damaged-history"
    options = drawn_records.config("damaged-history", Path("data"), "fcn8s", 0)
    rows = drawn_records.history(6, 0.01, _IOUS, 3)
    drawn_records.write_run(folder, options, drawn_records.environment(0), rows)
    rows[1]["train_loss"] = math.nan
    rows[3]["val_iou"] = [math.inf, *_IOUS[1:]]
    lines = [json.dumps(row) for row in rows]
    write_text(folder / "history.jsonl", "\n".join([*lines, "{", "[1]", "\x00" * 100, '{"epoch": 1e99}']))
    cyclic = "options: &options\n  again: *options\n"
    write_text(saved / "damaged-cyclic" / "config.yaml", cyclic)
    write_text(saved / "damaged-cyclic" / "history.jsonl", "")
    write_text(saved / "empty-config" / "config.yaml", yaml.safe_dump(None))

    write_text(outputs / "damaged" / "val" / "scores.json", '{"classScores": {"road": 1e999}, "images": 3')
    write_text(outputs / "damaged-types" / "val" / "scores.json", '{"classScores": [], "averageScoreClasses": "high"}')
    write_text(outputs / "damaged-deep" / "val" / "scores.json", "[" * 100_000)
    write_text(outputs / "damaged" / "val" / "profile.json", '{"milliseconds": null}')
    write_text(outputs / "damaged" / "test" / "submission.zip.manifest.json", "[]")
    write_bytes(outputs / "damaged" / "val" / "predictions" / "a_000000_000000_labelId_preds.png", b"\x89PNG\r\n\x1a\n")
    write_text(outputs / "damaged" / "val" / "predictions.json", '{"origin": 1}')
