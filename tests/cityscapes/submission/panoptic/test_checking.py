"""Checks and packing of the panoptic task: what passes, what is packed, and hostile files."""

import json
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes.formats import panoptic
from cityscapes.formats.panoptic_reader import MAX_VALUES
from cityscapes.submission import archive_reader, check, main, pack
from cityscapes.submission.panoptic.images import segment_ids
from tests.cityscapes import drawn_panoptic_submission
from tests.cityscapes.drawn_panoptic_submission import FOLDER, JSON_NAME, SEGMENTS, SIZE, STEMS, change, ids, png

official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
FIRST = f"{FOLDER}/{STEMS[0]}_panoptic.png"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def score_officially(folder: Path) -> Any:
    """Compare predictions with themselves in the official scorer, which raises an error for most faults."""
    annotations = json.loads((folder / JSON_NAME).read_text())["annotations"]
    truth = json.loads((folder / JSON_NAME).read_text())["annotations"]
    for image in truth:
        pixels = np.array(official.Image.open(folder / FOLDER / image["file_name"]), np.uint32)
        present = official.rgb2id(pixels)
        for segment in image["segments_info"]:
            segment |= {"area": int((present == segment["id"]).sum()), "iscrowd": 0}
    categories = {category["id"]: category for category in panoptic.categories()}
    pairs = list(zip(truth, annotations, strict=True))
    return official.pq_compute_single_core(0, pairs, str(folder / FOLDER), str(folder / FOLDER), categories)


@pytest.mark.usefixtures("official_size")
def test_good_predictions_pass_in_a_folder_and_in_a_zip(
    folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder), "--root", str(root), "--workers", "1"]) == 0
    task = "task: panoptic, recognised by cityscapes_panoptic_test.json"
    verdict = "ok: 4 predictions, one for each test image, with 12 segments"
    assert capsys.readouterr().out.splitlines()[:2] == [task, verdict]
    assert main(["pack", str(folder), str(tmp_path / "made.zip"), "--root", str(root), "--workers", "1"]) == 0
    report = check(tmp_path / "made.zip", root)
    assert report.ok
    assert not report.warnings
    scores = score_officially(folder)
    assert {label: scores[label].tp for label in SEGMENTS.values()} == dict.fromkeys(SEGMENTS.values(), 4)


def test_the_zip_has_the_json_file_and_its_pngs_alone_and_is_reproducible(
    folder: Path, root: Path, tmp_path: Path
) -> None:
    needed = files_of(folder)
    (folder / FOLDER / "unused.png").write_bytes(png(ids().astype(np.uint8)))
    (folder / ".DS_Store").touch()
    report = pack(folder, tmp_path / "one.zip", root, workers=1)
    assert [finding.kind for finding in report.warnings] == ["unused", "hidden"]
    pack(folder, tmp_path / "two.zip", root, workers=2)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == needed
    manifest = json.loads((tmp_path / "one.zip.manifest.json").read_text())
    assert list(manifest["files"]) == sorted(needed)


def test_pngs_of_other_encoders_pass(folder: Path, root: Path) -> None:
    pixels = np.stack([ids() & 255, ids() >> 8 & 255, ids() >> 16], -1).astype(np.uint8)
    (folder / FIRST).write_bytes(png(pixels))
    assert check(folder, root).ok


def test_alpha_is_ignored_as_by_the_official_scorer(folder: Path, root: Path) -> None:
    pixels = np.stack([ids() & 255, ids() >> 8 & 255, ids() >> 16, 0 * ids()], -1).astype(np.uint8)
    (folder / FIRST).write_bytes(png(pixels))
    report = check(folder, root)
    assert report.ok
    assert [finding.kind for finding in report.warnings] == ["RGBA"]
    score_officially(folder)


@pytest.mark.parametrize("chunk", [b"iCCP", b"cHRM", b"gAMA", b"fdAT"])
def test_damaged_chunks_that_pillow_reads_are_a_fault(chunk: bytes, folder: Path, root: Path) -> None:
    content = png(np.stack([ids() & 255, ids() >> 8 & 255, ids() >> 16, 0 * ids()], -1).astype(np.uint8))
    empty = b"\0\0\0\0" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (folder / FIRST).write_bytes(content[:-12] + empty + content[-12:])
    report = check(folder, root)
    assert [finding.kind for finding in report.faults] == ["damaged"]


def test_the_largest_segment_id_passes(folder: Path, root: Path) -> None:
    (folder / FIRST).write_bytes(panoptic.encode(np.where(ids() == 7, panoptic.MAX_SEGMENT_ID, ids())))
    change(lambda annotations: annotations[0]["segments_info"][0].update(id=panoptic.MAX_SEGMENT_ID))(folder)
    assert check(folder, root).ok
    score_officially(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda annotations: annotations[0]["segments_info"].pop(),
        lambda annotations: annotations[0]["segments_info"].append({"id": 8, "category_id": 8}),
        lambda annotations: annotations[0]["segments_info"][0].update(category_id=47),
        lambda annotations: annotations[0]["segments_info"][0].pop("category_id"),
        lambda annotations: annotations[0]["segments_info"][0].update(id=8),
    ],
)
def test_what_the_official_scorer_refuses_is_a_fault(edit: Any, folder: Path, root: Path) -> None:
    change(edit)(folder)
    assert check(folder, root).faults
    with pytest.raises(KeyError):
        score_officially(folder)


def test_the_report_is_the_same_for_any_number_of_workers(folder: Path, root: Path) -> None:
    def many(annotations: list[dict[str, Any]]) -> None:
        for number in range(40):
            segments = [{"id": 1, "category_id": 7}, {"id": 1, "category_id": 3}]
            stem = f"berlin_000001_{number:06d}"
            annotations.append({**annotations[0], "image_id": stem, "segments_info": segments})

    change(many)(folder)
    one, two = (check(folder, root, workers=workers) for workers in (1, 2))
    assert one == two
    kinds = {finding.kind: finding.count for finding in one.faults}
    assert kinds["duplicate segment"] == kinds["not in PNG"] == 40
    assert kinds["not in JSON"] == 120


@pytest.mark.parametrize(("place", "seen"), [((0, 0), True), ((15, 31), True), ((7, 31), True), ((8, 0), True)])
def test_every_pixel_is_compared(place: tuple[int, int], seen: bool, folder: Path, root: Path) -> None:
    changed = ids()
    changed[place] = 5
    (folder / FIRST).write_bytes(panoptic.encode(changed))
    assert any(finding.kind == "not in JSON" for finding in check(folder, root).faults) == seen


def test_ids_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << 24, SIZE[::-1], np.uint32)
    found = segment_ids(panoptic.encode(pixels), SIZE)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, np.unique(pixels))


def test_json_of_a_hundred_megabytes_ends_in_a_message(
    folder: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / JSON_NAME).open("wb") as file:
        file.write(b'{"annotations": [')
        file.truncate(100_000_000)
    tracemalloc.start()
    assert main(["check", str(folder), "--root", str(root), "--workers", "1"]) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too large: got 1 file: files of more than 64 MiB" in capsys.readouterr().err
    assert peak < 2 * archive_reader.MAX_BYTES


def test_json_of_very_many_values_ends_in_a_message(folder: Path, root: Path) -> None:
    (folder / JSON_NAME).write_bytes(b'{"annotations": [' + b"[]," * MAX_VALUES + b"[]]}")
    (fault,) = check(folder, root).faults
    assert str(fault).startswith("json: got 1 JSON file that cannot be read")


def test_very_many_faults_are_few_lines(folder: Path, root: Path) -> None:
    change(lambda annotations: annotations.extend(200_000 * [{}]))(folder)
    faults = check(folder, root).faults
    assert [finding.kind for finding in faults] == ["annotation", "many"]
    assert all(len(str(finding)) < 400 for finding in faults)


def test_a_png_of_a_billion_pixels_is_not_decoded(folder: Path, root: Path) -> None:
    content = (folder / FIRST).read_bytes()
    header = b"IHDR" + (1 << 15).to_bytes(4, "big") * 2 + content[24:29]
    (folder / FIRST).write_bytes(content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:])
    (fault,) = check(folder, root).faults
    assert "got 32768 x 32768, expected 32 x 16" in str(fault)
    assert segment_ids((folder / FIRST).read_bytes(), None) == ("damaged", "declares 32768 x 32768 pixels")


def test_links_in_a_circle_end_in_a_message(folder: Path, root: Path) -> None:
    (folder / FOLDER / "again").symlink_to(folder, target_is_directory=True)
    (folder / FIRST).unlink()
    (folder / FIRST).symlink_to(folder / FIRST)
    (fault,) = check(folder, root).faults
    assert "cannot read it (Too many levels of symbolic links)" in str(fault)


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_a_flipped_bit_is_a_fault_or_changes_nothing(place: int, folder: Path, root: Path) -> None:
    content = bytearray((folder / FIRST).read_bytes())
    if place >= len(content):
        pytest.skip("shorter file")
    content[place] ^= 4
    (folder / FIRST).write_bytes(content)
    assert check(folder, root).faults


def evaluate_officially(predictions: Path, truth: Path) -> None:
    """Score predictions against good ones in the official scorer, as far as it reads and matches files."""
    listed = {one["image_id"]: one for one in json.loads((predictions / JSON_NAME).read_text())["annotations"]}
    good = json.loads((truth / JSON_NAME).read_text())["annotations"]
    for image in good:
        for segment in image["segments_info"]:
            segment |= {"area": int((ids() == segment["id"]).sum()), "iscrowd": 0}
    categories = {category["id"]: category for category in panoptic.categories()}
    pairs = [(image, listed[image["image_id"]]) for image in good]
    official.pq_compute_single_core(0, pairs, str(truth / FOLDER), str(predictions / FOLDER), categories)


def edited(document: dict[str, Any], random: np.random.Generator) -> None:
    """Change one value or key of the first annotation or of one of its segments, at random."""
    image = document["annotations"][0]
    places = [image, *image["segments_info"]]
    place = places[random.integers(len(places))]
    key = str(random.choice(sorted(place)))
    values: tuple[Any, ...] = (
        None,
        0,
        7,
        8,
        24,
        26001,
        -1,
        1 << 24,
        1.5,
        True,
        "",
        "7",
        f"{STEMS[1]}_panoptic.png",
        [],
        {},
        place[key],
    )
    if random.random() < 0.2:
        del place[key]
    else:
        place[key] = values[random.integers(len(values))]


@pytest.mark.parametrize("seed", range(100))
def test_what_the_official_scorer_cannot_read_is_a_fault(
    seed: int, folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Predictions with one random change pass only if the official scorer reads them without an error."""
    drawn_panoptic_submission.write_all(tmp_path / "good")
    document = json.loads((folder / JSON_NAME).read_text())
    edited(document, np.random.default_rng(seed))
    (folder / JSON_NAME).write_text(json.dumps(document))
    if check(folder, root).ok:
        evaluate_officially(folder, tmp_path / "good")
