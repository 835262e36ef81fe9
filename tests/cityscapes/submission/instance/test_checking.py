"""Checks and packing of the instance task: what passes, what is packed, and hostile files."""

import hashlib
import json
import os
import resource
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cityscapes.submission import check, main, pack
from cityscapes.submission.instance.images import cause_of_fields
from engine.errors import InputError
from tests.cityscapes.drawn_instance_submission import LABELS, SIZE, STEMS, mask, png

official = pytest.importorskip("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
FIRST = f"{STEMS[0]}.txt"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_officially(folder: Path) -> list[dict[str, int]]:
    """Mask and label id of each line of each text file, read by the official scorer."""
    arguments = official.CArgs()
    arguments.predictionPath = str(folder.resolve())
    texts = sorted(folder.resolve().rglob("*.txt"))
    return [
        {Path(name).name: info["labelID"] for name, info in official.readPredInfo(str(text), arguments).items()}
        for text in texts
    ]


@pytest.mark.usefixtures("official_size")
def test_good_predictions_pass_in_a_folder_and_in_a_zip(
    folder: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder), "--root", str(root), "--workers", "1"]) == 0
    task = "task: instance, recognised by 4 text files, for example berlin_000000_000019.txt"
    verdict = "ok: 4 predictions, one for each test image, with 8 masks"
    assert capsys.readouterr().out.splitlines()[:2] == [task, verdict]
    assert main(["pack", str(folder), str(tmp_path / "made.zip"), "--root", str(root), "--workers", "1"]) == 0
    report = check(tmp_path / "made.zip", root)
    assert report.ok
    assert not report.warnings
    assert [set(labels.values()) for labels in read_officially(folder)] == 4 * [set(LABELS)]


def test_the_zip_has_text_files_and_masks_alone_and_is_reproducible(folder: Path, root: Path, tmp_path: Path) -> None:
    needed = files_of(folder)
    (folder / "masks/unused.png").write_bytes(png(mask()))
    (folder / "log.txt").touch()
    (folder / ".DS_Store").touch()
    report = pack(folder, tmp_path / "one.zip", root, workers=1)
    assert [finding.kind for finding in report.warnings] == ["name", "unused", "hidden"]
    pack(folder, tmp_path / "two.zip", root, workers=2)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == needed
    manifest = json.loads((tmp_path / "one.zip.manifest.json").read_text())
    assert manifest["files"] == {name: hashlib.sha256(needed[name]).hexdigest() for name in sorted(needed)}


def test_the_report_is_the_same_for_any_number_of_workers(folder: Path, root: Path) -> None:
    for number in range(40):
        stem = f"berlin_000001_{number:06d}"
        (folder / f"{stem}.txt").write_text(f"masks/{stem}.png 7 2\nnothing.png 26 x\n")
        (folder / f"masks/{stem}.png").write_bytes(png(0 * mask()))
    one, two = (check(folder, root, workers=workers) for workers in (1, 2))
    assert one == two
    kinds = {finding.kind: finding.count for finding in (*one.faults, *one.warnings)}
    assert kinds["empty mask"] == kinds["label without instances"] == kinds["confidence"] == 40
    assert all(len(finding.examples) <= 4 for finding in one.faults)


def test_notes_do_not_prevent_a_submission(folder: Path, root: Path) -> None:
    text = folder / FIRST
    text.write_text(text.read_text().replace(" 0.9", " 95.5"))
    report = check(folder, root)
    assert report.ok
    (note,) = report.warnings
    assert str(note) == (
        "confidence range: got 1 line with a confidence outside 0 to 1 (berlin_000000_000019.txt line 1: 95.5); "
        "this is fine, because only their order counts"
    )


def test_lines_as_windows_writes_them_pass(folder: Path, root: Path) -> None:
    text = folder / FIRST
    text.write_bytes(text.read_bytes().replace(b"\n", b"\r\n"))
    assert check(folder, root).ok
    assert read_officially(folder)


def test_an_image_without_instances_has_an_empty_text_file(folder: Path, root: Path) -> None:
    (folder / FIRST).write_text("")
    assert check(folder, root).ok
    assert read_officially(folder)[0] == {}


def test_a_mask_that_changes_after_its_check_is_not_packed(
    folder: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityscapes.submission.instance import checking

    checked = checking.inspect

    def spoil(*arguments: object) -> object:
        found = checked(*arguments)  # type: ignore[arg-type]
        (folder / f"masks/{STEMS[0]}_0.png").write_bytes(png(mask(1)))
        return found

    monkeypatch.setattr(checking, "inspect", spoil)
    with pytest.raises(InputError, match="has changed since it was checked"):
        pack(folder, tmp_path / "made.zip", root)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("", "empty line"),
        ("a.png\t26\t0.9", "tab"),
        ("a b.png 26 0.9", "blank in a path"),
        ("a.png 26 0.9 ", "fields"),
        ("a.png  26 0.9", "fields"),
        ("a.png 26", "fields"),
        ("a.png of a car", "fields"),
    ],
)
def test_cause_of_a_wrong_number_of_fields(line: str, cause: str) -> None:
    assert cause_of_fields(line) == cause


def test_links_in_a_circle_end_in_a_message(folder: Path, root: Path) -> None:
    (folder / "masks/again").symlink_to(folder, target_is_directory=True)
    (folder / "one.png").symlink_to(folder / "two.png")
    (folder / "two.png").symlink_to(folder / "one.png")
    (folder / FIRST).write_text("one.png 26 0.9\nmasks/again/one.png 26 0.9\n")
    faults = {finding.kind: str(finding) for finding in check(folder, root).faults}
    assert "one.png: cannot read it (Too many levels of symbolic links)" in faults["damaged"]
    assert "masks/again/one.png" in faults["missing mask"]


def test_a_pipe_in_place_of_a_mask_ends_in_a_message(folder: Path, root: Path) -> None:
    path = folder / f"masks/{STEMS[0]}_0.png"
    path.unlink()
    os.mkfifo(path)
    (fault,) = check(folder, root).faults
    assert "got a named pipe, expected a file" in str(fault)


@pytest.mark.parametrize("line", [b"\n", b"masks/a.png 26 0.9\n", b"a b c d\n"])
def test_a_hundred_thousand_lines_end_in_one_message(line: bytes, folder: Path, root: Path) -> None:
    (folder / FIRST).write_bytes(line * 100_000)
    tracemalloc.start()
    (fault,) = check(folder, root).faults
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(fault).startswith("too many masks: got 1 text file with more than 10,000 lines")
    assert peak < 64 << 20


def test_a_huge_text_file_is_not_read_into_lines(folder: Path, root: Path) -> None:
    (folder / FIRST).write_bytes(b"\n" * (10 << 20))
    (fault,) = check(folder, root).faults
    assert "berlin_000000_000019.txt: 10,485,760 bytes" in str(fault)


def test_a_hundred_thousand_masks_take_little_memory(tmp_path: Path, root: Path) -> None:
    """A zip with 100,000 masks in four images: the limit of lines is reported, and memory stays small."""
    content = png(mask())
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), content if number < 4000 else b"")
        for position, stem in enumerate(STEMS):
            lines = (f"{number}.png 26 0.5\n" for number in range(1000 * position, 1000 * (position + 1)))
            archive.writestr(f"{stem}.txt", "".join(lines))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = check(tmp_path / "made.zip", root)
    assert report.ok
    assert report.content == "with 4000 masks"
    assert [(finding.kind, finding.count) for finding in report.warnings] == [("unused", 96_000)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10  # kilobytes


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_a_zip_are_a_fault(folder: Path, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for name, content in files_of(folder).items():
            archive.writestr(name, content)
        archive.writestr(f"masks/{STEMS[0]}_0.png", png(mask()))
    (fault,) = check(tmp_path / "made.zip", root).faults
    assert str(fault).startswith("same name: got 1 name more than once in the zip (masks/berlin_000000_000019_0.png)")


def test_16_bit_masks_are_read_as_the_server_reads_them(folder: Path, root: Path) -> None:
    from PIL import Image

    path = folder / f"masks/{STEMS[0]}_0.png"
    path.write_bytes(png((mask() > 0).astype(np.uint16)))
    with Image.open(path) as image:
        seen = bool(np.asarray(image.convert("L")).any())
    faults = check(folder, root).faults
    assert [finding.kind for finding in faults] == ([] if seen else ["black mask"])


def evaluate_officially(folder: Path) -> int:
    """Number of predictions that the official scorer reads, with their masks; it raises or exits for most faults."""
    arguments = official.args
    official.setInstanceLabels(arguments)
    arguments.predictionPath = str(folder.resolve())
    number = 0
    for text in sorted(folder.resolve().rglob("*.txt")):
        found = official.readPredInfo(str(text), arguments)
        truth: dict[str, list[object]] = {label: [] for label in arguments.instLabels}
        _, predicted = official.assignGt2Preds(truth, np.zeros(SIZE[::-1], np.int32), found, arguments)
        number += sum(map(len, predicted.values()))
    return number


@pytest.mark.parametrize("seed", range(150))
def test_what_passes_is_read_completely_by_the_official_scorer(
    seed: int, folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text file with one or two random changes passes only if the official scorer uses each of its lines."""
    monkeypatch.setattr(official.np, "in1d", np.isin, raising=False)
    random = np.random.default_rng(seed)
    text = (folder / FIRST).read_text()
    for _ in range(random.integers(1, 3)):
        place = int(random.integers(len(text)))
        new = str(random.choice([*" \t\n/\\.0123e-+a", "", "é", "  ", " 26 ", "../", "nan"]))
        text = text[:place] + new + text[place + int(random.integers(2)) :]
    (folder / FIRST).write_bytes(text.encode())
    if check(folder, root).ok:
        lines = sum(len(path.read_text().splitlines()) for path in folder.glob("*.txt"))
        assert evaluate_officially(folder) == lines


@pytest.mark.parametrize(
    "line",
    [
        "../masks/car.png 26 0.9",
        "/elsewhere/car.png 26 0.9",
        f"masks/{STEMS[0]}_0.png  26 0.9",
        f"masks/{STEMS[0]}_0.png\t26\t0.9",
        "",
        f"masks/{STEMS[0]}_0.png 26",
        f"masks\\{STEMS[0]}_0.png 26 0.9",
        f"masks/{STEMS[0]}_0.png 47 0.9",
        f"masks/{STEMS[0]}_0.png car 0.9",
        f"masks/{STEMS[0]}_0.png 26 high",
        "masks/none.png 26 0.9",
    ],
)
def test_the_official_scorer_ends_with_an_error_where_a_fault_says_so(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(official.np, "in1d", np.isin, raising=False)
    (folder / FIRST).write_text(f"{line}\n")
    with pytest.raises((SystemExit, ValueError, KeyError, OSError)):
        evaluate_officially(folder)


def test_the_official_scorer_ignores_what_other_faults_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels without instances, void labels, empty and black masks and all but one line of a mask are lost."""
    monkeypatch.setattr(official.np, "in1d", np.isin, raising=False)
    path = f"masks/{STEMS[0]}_0.png"
    usual = evaluate_officially(folder)
    for line in (f"{path} 7 0.9", f"{path} 29 0.9", f"{path} 13 0.9"):
        (folder / FIRST).write_text(f"{line}\n")
        assert evaluate_officially(folder) == usual - 2
    (folder / FIRST).write_text(f"{path} 26 0.9\n{path} 24 0.8\n")
    assert evaluate_officially(folder) == usual - 1
    for pixels in (0 * mask(), np.stack([0 * mask(), 0 * mask(), mask() // 255], -1)):
        (folder / path).write_bytes(png(pixels))
        assert evaluate_officially(folder) == usual - 2


def test_text_files_that_all_have_other_names_do_not_pass(folder: Path, root: Path, tmp_path: Path) -> None:
    for stem in STEMS:
        (folder / f"{stem}.txt").rename(folder / f"pred_{stem}.txt")
    report = check(folder, root)
    (finding,) = report.faults
    assert finding.kind == "name"
    assert finding.count == len(STEMS)
    assert "python -m cityscapes.submission fix PATH NEW" in finding.remedy
    with pytest.raises(InputError, match="at the start"):
        pack(folder, tmp_path / "made.zip", root)
    assert not (tmp_path / "made.zip").exists()
