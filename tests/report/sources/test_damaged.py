"""Damaged, hostile and incomplete folders: each problem is one fault, and everything else is shown."""

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from report.records import Fault, Report
from report.sources import plain, results
from report.sources.collect import collect
from report.sources.faults import Names
from tests.report.drawn_runs import Drawn, Options, draw
from tests.unreadable import refused


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Two runs with results of all kinds."""
    return draw(tmp_path_factory.mktemp("drawn"), Options(runs=2, images=3, height=32, width=64, tasks=True))


@pytest.fixture
def folder(drawn: Drawn, tmp_path: Path) -> Path:
    """A copy of the small files of `drawn`, which a test may damage."""
    for source in (*drawn.saved.rglob("*"), *drawn.outputs.rglob("*")):
        if source.is_file() and source.suffix in {".json", ".jsonl", ".yaml", ".zip"}:
            path = tmp_path / source.relative_to(drawn.saved.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
    return tmp_path


def read(folder: Path) -> Report:
    return collect([folder / "saved", folder / "outputs"], None)


def faults_of(report: Report) -> list[Fault]:
    """All faults of a report."""
    return [*report.faults, *(fault for run in report.runs for fault in run.faults)]


def test_undamaged_folders_have_no_faults(folder: Path) -> None:
    report = read(folder)
    assert faults_of(report) == []
    assert {"fcn8s-00", "unet-01", "instances", "panoptic", "kitti-road"} <= {run.name for run in report.runs}
    assert [run.status for run in report.runs if run.folder] == ["complete", "complete"]


FILES = (
    "saved/fcn8s-00/config.yaml",
    "saved/fcn8s-00/environment.json",
    "saved/fcn8s-00/history.jsonl",
    "outputs/fcn8s-00/val/scores.json",
    "outputs/fcn8s-00/val/profile.json",
    "outputs/fcn8s-00/val/predictions.json",
    "outputs/fcn8s-00/test/submission.zip.manifest.json",
    "outputs/profile.json",
    "outputs/instances/scores.json",
    "outputs/panoptic/scores.json",
    "outputs/kitti-road/train/scores.json",
)


def truncated(content: bytes) -> bytes:
    """The first half of the lines and the beginning of the next; cut elsewhere, YAML may be valid."""
    lines = content.splitlines(keepends=True)
    half = len(lines) // 2
    return b"".join(lines[:half]) + lines[half][:3] + b"\n"


DAMAGES: dict[str, Any] = {
    "empty": lambda content: b"",
    "truncated": truncated,
    "binary": lambda content: bytes(range(256)) * 4,
    "zeros": lambda content: bytes(len(content)),
    "a number": lambda content: b"3\n",
    "a list of null": lambda content: b"[null]\n",
    "deep": lambda content: b"[" * 50_000 + b"\n",
    "UTF-16": lambda content: content.decode().encode("utf-16"),
}
HARMLESS = {("empty", "history.jsonl"), ("zeros", "history.jsonl")}
"""Damage -> file in which the damage has the same effect as a training that has just begun."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damaged_file_is_one_fault(folder: Path, damage: str) -> None:
    paths = [folder / name for name in FILES]
    for path in paths:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    report = read(folder)
    assert {run.name: run.status for run in report.runs if run.folder} == {"fcn8s-00": "damaged", "unet-01": "complete"}
    faults = faults_of(report)
    for path in paths:
        name = f"{path.relative_to(folder)}".removesuffix(".manifest.json")
        of_file = [fault for fault in faults if fault.path.removesuffix(".manifest.json") == name]
        is_unknown = path.parent.name == "outputs"  # without its keys, a JSON file there may be anything
        if not is_unknown and (damage, path.name) not in HARMLESS:
            assert len(of_file) == 1, (path, faults)
            assert "; " in of_file[0].message
    assert str(folder) not in str(faults)


def test_random_bytes_in_files_never_stop_the_report(folder: Path) -> None:
    rng = random.Random(0)
    contents = {path: path.read_bytes() for path in (folder / name for name in FILES)}
    for _ in range(20):
        for path, content in contents.items():
            damaged = bytearray(content)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(content))] = rng.choice(b'0123456789-."[]{}:,nullNaN\x00\xff ')
            path.write_bytes(damaged)
        assert {"fcn8s-00", "unet-01"} <= {run.name for run in read(folder).runs}


VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1 << 80,
    1e999,
    float("nan"),
    "text",
    [],
    {},
    [None],
    {"x": None},
    [[1]],
    "x" * 10_000,
)


def places(content: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to each value, of long lists and mappings only of the first few."""
    found = [place] if place else []
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items)[:20]:
        found += places(value, (*place, key))
    return found


def test_values_of_wrong_types_never_stop_the_report(folder: Path) -> None:
    rng = random.Random(1)
    contents = {path: json.loads(path.read_text()) for path in map(folder.joinpath, FILES) if path.suffix == ".json"}
    wanted = {path: places(content) for path, content in contents.items()}
    for _ in range(30):
        for path, content in contents.items():
            damaged = copy.deepcopy(content)
            *keys, last = rng.choice(wanted[path])
            within = damaged
            for key in keys:
                within = within[key]
            within[last] = rng.choice(VALUES)
            path.write_text(json.dumps(damaged))
        report = read(folder)
        assert {"fcn8s-00", "unet-01"} <= {run.name for run in report.runs}
        json.dumps([(run.config, run.environment, run.history) for run in report.runs], allow_nan=False)


def test_a_file_that_is_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "outputs" / "fcn8s-00" / "val" / "scores.json"
    with path.open("ab") as file:
        file.truncate(plain.MAX_JSON_BYTES + 1)  # a hole in the file, which takes no space
    (fault,) = faults_of(read(folder))
    assert fault.message.startswith("got 67,108,865 bytes, expected at most 67,108,864")
    with (folder / "saved" / "fcn8s-00" / "config.yaml").open("ab") as file:
        file.truncate(1 << 40)
    assert len(faults_of(read(folder))) == 2


def test_a_folder_that_cannot_be_listed_is_a_fault(folder: Path) -> None:
    with refused(folder / "outputs" / "fcn8s-00"):
        report = read(folder)
    (fault,) = report.faults
    assert fault.path == "outputs/fcn8s-00"
    assert "cannot list this folder (Permission denied); make it readable" in fault.message
    assert {run.name: len(run.results) for run in report.runs}["unet-01"] == 1


def test_a_file_that_cannot_be_read_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, known = folder / "outputs" / "fcn8s-00" / "val" / "scores.json", os.open

    def refuse(name: Any, *arguments: Any, **more: Any) -> int:
        if Path(name) == path:
            raise PermissionError(13, "Permission denied", str(name))
        return known(name, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    (fault,) = faults_of(read(folder))
    assert (fault.path, "Permission denied" in fault.message) == ("outputs/fcn8s-00/val/scores.json", True)


def test_links_in_a_circle_are_followed_once(folder: Path) -> None:
    (folder / "outputs" / "again").symlink_to(folder / "outputs", target_is_directory=True)
    (folder / "saved" / "fcn8s-00" / "up").symlink_to("..", target_is_directory=True)
    (folder / "saved" / "loop").symlink_to("loop")
    report = read(folder)
    assert faults_of(report) == []
    assert len(report.results) == len({result.key for result in report.results})
    assert sum(run.name == "fcn8s-00" for run in report.runs) == 1


def test_a_linked_run_is_found(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "saved" / "unet-01").rename(folder / "elsewhere" / "unet-01")
    (folder / "saved" / "unet-01").symlink_to(folder / "elsewhere" / "unet-01", target_is_directory=True)
    assert {run.name: len(run.results) for run in read(folder).runs}["unet-01"] == 1


def test_a_broken_link_is_a_fault(folder: Path) -> None:
    path = folder / "outputs" / "unet-01" / "val" / "scores.json"
    path.unlink()
    path.symlink_to("nothing.json")
    (fault,) = faults_of(read(folder))
    assert fault == Fault(
        "outputs/unet-01/val/scores.json", "a link to a file that does not exist; restore that file, or remove the link"
    )


def test_a_pipe_does_not_stop_the_report(folder: Path) -> None:
    path = folder / "outputs" / "unet-01" / "val" / "scores.json"
    path.unlink()
    os.mkfifo(path)
    (fault,) = faults_of(read(folder))
    assert "got a named pipe, expected a file" in fault.message


def test_a_result_folder_that_cannot_be_listed_again_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "val"
    folder.mkdir()
    with refused(folder):
        (parts,) = results.read(folder, Names([tmp_path]))
    assert [fault.path for fault in parts.faults] == [f"{tmp_path.name}/val"]
    assert "Permission denied" in parts.faults[0].message


def test_stages_of_any_name_are_texts(folder: Path) -> None:
    path = folder / "outputs" / "fcn8s-00" / "val" / "profile.json"
    content, duration = json.loads(path.read_text()), {"median": 1, "p95": 2}
    content["milliseconds"] |= {"\udc80": duration, "x" * 5000: duration}
    path.write_text(json.dumps(content))
    stages = [list(result.profile.stages) for result in read(folder).results if result.profile is not None]
    (names,) = [names for names in stages if "\\udc80" in names]
    assert max(map(len, names)) < 1100
