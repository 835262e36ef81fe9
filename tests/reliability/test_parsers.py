"""Every parser on files in which hypothesis changes some bytes; it minimises failing files."""

import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityscapes.demo import DemoOptions, draw_dataset
from engine import checkpoints
from engine.checkpoints import About
from tests.reliability.parser import attempt
from tests.reliability.parsers import PARSERS
from tests.reliability.task_files import draw_tasks
from tests.reliability.verdict import Verdict


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the parsers start from."""
    world = tmp_path_factory.mktemp("world")
    draw_dataset(world / "data", DemoOptions(width=64, height=32, train=1, val=1, test=1))
    weights = {"score.weight": torch.ones(3, 2, 1, 1), "score.bias": torch.zeros(3)}
    (world / "weights").mkdir()
    checkpoints.save(world / "weights" / "w.pth", weights, About.untrained("fcn8s", 3, "cityscapes"))
    path = world / "saved" / "done" / "best.safetensors"
    checkpoints.save_safetensors(path, weights, About.untrained("fcn8s", 3, "cityscapes"), ["a", "b", "c"])
    (mask,) = (world / "data").glob("gtFine/val/*/*_labelIds.png")
    with zipfile.ZipFile(world / "packed.zip", "w") as archive:
        archive.write(mask, "berlin_000000_000019_labelId_preds.png")
    draw_tasks(world)
    return world


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, kept=st.floats(0, 1), cut=st.booleans(), choice=st.integers(0, 9))
def test_changed_bytes_are_answered(
    name: str, edits: list[tuple[float, int]], kept: float, cut: bool, choice: int, world: Path, tmp_path: Path
) -> None:
    parser = PARSERS[name]
    seeds = parser.seeds(world)
    content = bytearray(seeds[choice % len(seeds)])
    for place, value in edits:
        content[int(place * len(content))] = value
    whole = content[: int(kept * len(content))] if cut else content
    case = attempt(parser, bytes(whole), tmp_path / f"input{parser.suffix}", world, name)
    assert case.verdict is Verdict.ANSWERED, case
