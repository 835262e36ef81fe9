"""Converted predictions, scored, checked and packed by the commands that the converters and the page name."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import generate_gt
from cityscapes.convert import main
from cityscapes.formats.panoptic import categories
from cityscapes.labels import LABEL_ID_OF
from tests import perfect_predictions
from tests.cityscapes.programs import detectron2, drawn, hugging_face, mmdetection
from tests.cityscapes.programs.drawn import Predicted, predict
from tests.cityscapes.programs.pages import run

PAGE = Path(__file__).parents[3] / "docs" / "converters.md"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`data`, a drawn Cityscapes, in a new working folder."""
    monkeypatch.chdir(tmp_path)
    return drawn.write_root(Path("data"))


def commands(heading: str) -> list[list[str]]:
    """The commands in the blocks of code of a section of the page."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)
    blocks = re.findall(r"^```\n(.*?)^```$", parts[parts.index(heading) + 1], re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def follow(heading: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run the commands of a section, which end with packing, and return the scores.

    Each conversion ends with the line that names the next command of the page, except for its further options.
    """
    following = commands(heading)
    for place, words in enumerate(following):
        done = run(words, capsys, expected=int("pack" in words))  # a demo is not for the server
        if words[2] == "cityscapes.convert":
            (line,) = re.findall(r"^next: python (.*)$", done.output, re.MULTILINE)
            assert set(shlex.split(line)) <= set(following[place + 1]), line
    return json.loads(Path("scores.json").read_text())  # type: ignore[no-any-return]


def rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """An uncompressed RLE; `coco_api.uncompressed` is too slow for these masks."""
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return {"size": list(mask.shape), "counts": np.diff(edges, prepend=0, append=flat.size).tolist()}


def coco_metric(prefix: Path, predictions: Sequence[Predicted]) -> None:
    """`<prefix>.segm.json` and the annotation file, as in `test_coco_instances.mmdetection`."""
    results = [
        {
            "image_id": number,
            "score": instance.score,
            "category_id": instance.label_id,
            "segmentation": rle(instance.mask),
        }
        for number, predicted in enumerate(predictions)
        for instance in predicted.instances
    ]
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.segm.json").write_text(json.dumps(results))


def annotations(split: str) -> None:
    """The annotation files of mmdetection in data/annotations."""
    images = [
        {"id": number, "file_name": f"{stem.split('_')[0]}/{stem}_leftImg8bit.png", "width": 256, "height": 128}
        for number, stem in enumerate(drawn.SPLITS[split])
    ]
    names = [{"id": one["id"], "name": one["name"]} for one in categories() if one["isthing"]]
    path = Path(f"data/annotations/instancesonly_filtered_gtFine_{split}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "categories": names}))


@pytest.mark.parametrize("shift", [0, 2])
def test_instances(shift: int, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in drawn.SPLITS:
        annotations(split)
        coco_metric(Path("work_dirs") / split, predict(split, shift))
    scores = follow("Instances", capsys)
    mmdetection.write(Path("direct"), predict("val", shift))  # the files of the benchmark, without a converter
    words = "python -m cityscapes.scoring --task instance --predictions direct --root data --output direct.json"
    run(words.split(), capsys)
    direct = json.loads(Path("direct.json").read_text())
    assert direct["averages"].keys() >= {"allAp", "allAp50%", "classes"}
    assert scores["averages"] == direct["averages"]
    assert scores["resultApMatrix"] == direct["resultApMatrix"]
    assert (scores["averages"]["allAp"] == 1) == (shift == 0)
    assert scores["averages"]["allAp"] > 0.1


def hugging_face_json(folder: Path, predictions: Sequence[Predicted]) -> None:
    """The results of `post_process_panoptic_segmentation`: grey PNGs, and a JSON file next to their folder."""
    folder.mkdir(parents=True)
    entries = []
    for predicted in predictions:
        result = hugging_face.panoptic(predicted)
        Image.fromarray(result["segmentation"].numpy().astype(np.uint16)).save(folder / f"{predicted.stem}.png")
        name = f"{predicted.stem}.png"
        entries.append({"image_id": predicted.stem, "file_name": name, "segments_info": result["segments_info"]})
    folder.with_suffix(".json").write_text(json.dumps({"annotations": entries}))


def detectron2_json(folder: Path, predictions: Sequence[Predicted]) -> None:
    """`predictions.json` of `COCOPanopticEvaluator`, with the PNGs that the class of the page keeps."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    output = Path(f"output_of_{folder.name}")
    output.mkdir()
    truth = {"images": [], "categories": categories()}
    detectron2.write("KeptPanopticEvaluator", folder, predictions, output, truth)
    (output / "predictions.json").rename(folder.with_suffix(".json"))


@pytest.mark.parametrize("write", [hugging_face_json, detectron2_json])
@pytest.mark.parametrize("shift", [0, 2])
def test_panoptic(write: Any, shift: int, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in drawn.SPLITS:
        write(Path("results") / split, predict(split, shift))
    scores = follow("Panoptic", capsys)
    hugging_face.write_panoptic(Path("direct/cityscapes_panoptic_val"), predict("val", shift))
    words = "python -m cityscapes.scoring --task panoptic --predictions direct --root data --output direct.json"
    run(words.split(), capsys)
    direct = json.loads(Path("direct.json").read_text())
    for key in ("All", "Things", "Stuff", "per_class"):
        assert scores[key] == direct[key], key
    assert (scores["All"]["pq"] == 1) == (shift == 0)


def test_every_path_of_a_result_leads_to_the_ground_truth(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ground truth as a perfect prediction, in each numbering, scores 1."""
    numberings = {"things_from_0": 0, "things_from_1": 1, "train_ids": drawn.FIRST_THING}
    for numbering, first in numberings.items():
        results = [
            {
                "image_id": f"{predicted.stem}_leftImg8bit.png",
                "score": instance.score,
                "category_id": instance.train_id - drawn.FIRST_THING + first,
                "segmentation": rle(instance.mask),
            }
            for predicted in predict("val")
            for instance in predicted.instances
        ]
        Path("r.json").write_text(json.dumps(results))
        assert main(["coco_instances", "r.json", numbering]) == 0
        assert f"category ids: {numbering.replace('_', ' ')}, the only numbering" in capsys.readouterr().out
        words = f"python -m cityscapes.scoring --task instance --predictions {numbering} --root data --output s.json"
        run(words.split(), capsys)
        assert json.loads(Path("s.json").read_text())["averages"]["allAp"] == 1
    assert LABEL_ID_OF[drawn.FIRST_THING] == 24


def test_own_annotations_become_the_ground_truth_of_all_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("my_labelme/val/mytown")
    folder.mkdir(parents=True)
    for number in range(2):
        name = f"mytown_000000_{number:06}_leftImg8bit"
        shapes = [
            {"label": "road", "shape_type": "polygon", "points": [[0, 20], [63, 20], [63, 31], [0, 31]]},
            {"label": "car", "shape_type": "rectangle", "points": [[5, 5], [25, 18]]},
        ]
        size = {"imageHeight": 32, "imageWidth": 64, "imagePath": f"{name}.png"}
        (folder / f"{name}.json").write_text(json.dumps({"version": "5.5.0", "shapes": shapes, **size}))
    convert, draw, *scorings = commands("Polygons of labelme and CVAT")
    run(convert, capsys)
    assert draw[:2] == ["python", "generate_gt.py"]
    assert generate_gt.main([*draw[2:], "--workers", "1"]) == 0
    perfect_predictions.write(Path("mine"), "val", Path("outputs"))
    for words, perfect in zip(scorings, ("mean of 2", "average of 1", "All"), strict=True):
        printed = run(words, capsys).output
        assert re.search(rf"^{perfect} +100\.0  100\.0", printed, re.MULTILINE)
        assert "2 scenes of val, not the official 500" in printed
