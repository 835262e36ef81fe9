"""The panoptic task: our scorer and the official one, which starts one process per CPU."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench import race
from bench.scoring.comparison import OFFICIAL, Comparison, by_workers, largest_difference, official
from bench.scoring.scenes import copy_scenes
from cityscapes.formats.panoptic import file_names, png_name
from cityscapes.layout import ANNOTATIONS, Scene
from engine.files.atomic import write_json

_JSON, _FOLDER = file_names("val")


def prepare(folder: Path, samples: Path, images: int) -> Comparison:
    """Write shifted ground truth as predictions, and return the contenders; see `Comparison`."""
    truth, masks, predictions = folder / "truth", folder / "masks", folder / "predictions"
    _write(folder, list(copy_scenes(samples, masks, images)), samples)
    reference = folder / "official.json"
    command = ["-m", "cityscapes.scoring", "--task", "panoptic", "--predictions", str(predictions), "--root"]
    ours = by_workers(*command, str(truth))
    ours |= {f"{name}, from instanceIds": given for name, given in by_workers(*command, str(masks)).items()}

    def compare() -> dict[str, float | int]:
        differences = [largest_difference(reference, folder / f"{name}.json") for name in ours]
        return {"largest_difference": max(differences), "official_processes": os.cpu_count() or 1}

    theirs = ["--gt-json-file", str(truth / ANNOTATIONS / _JSON), "--prediction-json-file", str(predictions / _JSON)]
    return Comparison(
        what="score panoptic PNGs of full size, written by Pillow",
        contenders={
            OFFICIAL: official("panoptic", *theirs, "--results_file", str(reference)),
            **{name: [*arguments, "--output", str(folder / f"{name}.json")] for name, arguments in ours.items()},
        },
        compare=compare,
        variables={},
    )


def _write(folder: Path, scenes: list[tuple[Scene, Scene]], samples: Path) -> None:
    """Write truth/ and predictions/: ground truth by the official script under all names of a scene, and shifted."""
    single, converted = folder / "single", folder / "converted"
    converted.mkdir()
    first = dict(reversed(scenes))
    for real, scene in first.items():
        copy = scene.official_mask(single, "instanceIds")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real.official_mask(samples, "instanceIds"), copy)
    race.stdout_of(official("panoptic_gt", str(single / "gtFine"), str(converted)))
    content = json.loads((converted / _JSON).read_text())
    annotations = {entry["image_id"]: entry for entry in content["annotations"]}
    described = {entry["id"]: entry for entry in content["images"]}
    true, predicted = folder / "truth" / ANNOTATIONS, folder / "predictions"
    for place in (true, predicted):
        (place / _FOLDER).mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)
    for real, scene in scenes:
        entry, name = annotations[first[real].stem], png_name(scene.stem)
        source = converted / _FOLDER / entry["file_name"]
        shutil.copyfile(source, true / _FOLDER / name)
        shifted = np.roll(np.asarray(Image.open(source)), tuple(rng.integers(-8, 9, 2)), (0, 1))
        Image.fromarray(shifted).save(predicted / _FOLDER / name)
        entries.append({**entry, "image_id": scene.stem, "file_name": name})
    listed = [{**described[first[real].stem], "id": scene.stem} for real, scene in scenes]
    write_json(true / _JSON, {**content, "images": listed, "annotations": entries})
    for entry in entries:
        segments = [{key: segment[key] for key in ("id", "category_id")} for segment in entry["segments_info"]]
        entry["segments_info"] = segments
    write_json(predicted / _JSON, {"annotations": entries})
