"""The Python API: every block of docs/api.md runs on the demo data set, and prints what the page says."""

import contextlib
import doctest
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import cityscapes
import fcn
import train_fcn
from cityscapes.layout import scenes_with_label_ids
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from tests import perfect_predictions

REPOSITORY = Path(__file__).parents[1]


class Block(NamedTuple):
    """A block of code, and what it prints."""

    code: str
    printed: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of Python, each with the block of text that may follow it."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for place, (kind, content) in enumerate(found):
        if kind == "python":
            following = found[place + 1] if place + 1 < len(found) else ("", "")
            yield Block(content, following[1] if following[0] == "text" else "")


def run_block(block: Block, names: dict[str, Any]) -> None:
    """Run a block; fails where it prints anything else."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block.code, names)
    same = doctest.OutputChecker().check_output(block.printed, printed.getvalue(), doctest.ELLIPSIS)
    assert same, f"{block.code}\nprinted\n{printed.getvalue()}\nexpected\n{block.printed}"


def write_predictions(root: Path, outputs: Path) -> None:
    """The official masks as perfect predictions, and the same with the upper half predicted as sky."""
    for scene in scenes_with_label_ids(root, "val"):
        label_ids = read_ids(scene.official_mask(root, "labelIds")).astype(np.uint8)
        write_png(outputs / "after" / f"{scene.stem}.png", label_ids)
        label_ids[: len(label_ids) // 2] = 23
        write_png(outputs / "before" / f"{scene.stem}.png", label_ids)
    perfect_predictions.write(root, "val", outputs)
    for image in (root / "leftImg8bit" / "test").rglob("*.png"):
        road = np.full((128, 256), 7, np.uint8)
        write_png(outputs / "test" / image.name.replace("_leftImg8bit", "_labelId_preds"), road)


@pytest.fixture
def workplace(demo_root: Path, tiny_training: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the page supposes it: data/demo, a run saved/first, and predictions in outputs/."""
    assert train_fcn.main([*tiny_training, "--name", "first"]) == 0
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(demo_root)
    write_predictions(demo_root, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


@pytest.mark.usefixtures("workplace")
def test_every_block_of_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    found = list(blocks((REPOSITORY / "docs" / "api.md").read_text()))
    assert len(found) >= 6
    for block in found:
        run_block(block, names)
    assert "Traceback" not in capsys.readouterr().err


def test_a_block_that_prints_something_else_fails() -> None:
    with pytest.raises(AssertionError, match=r"printed\n *3\n *\n *expected\n *4"):
        run_block(Block("print(1 + 2)", "4\n"), {})


def test_predictions_are_those_of_the_command(workplace: Path) -> None:
    import test_fcn

    weights = workplace / "saved" / "first" / "best.safetensors"
    arguments = f"--model_weights_path {weights} --root data/demo --split val --output out --engine torch"
    assert test_fcn.main(f"{arguments} --precision 32-true --accelerator cpu --profile_images 0".split()) == 0
    loaded = fcn.load_network(str(weights))
    for image in sorted((workplace / "data" / "demo" / "leftImg8bit" / "val").rglob("*.png")):
        name = image.name.replace("_leftImg8bit", "_labelId_preds")
        (path,) = (workplace / "out").rglob(name)
        differing = read_ids(path) != fcn.predict(loaded, image, label_ids=True)
        assert differing.mean() < 0.001, "sums are rounded in another order"


def test_what_is_no_image_or_no_run_is_refused(workplace: Path) -> None:
    loaded = fcn.load_network("saved/first/best.pth")
    with pytest.raises(InputError, match=r"got an image of \(4, 4\) uint8, expected \(H, W, 3\) uint8"):
        fcn.predict(loaded, np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"no epoch in its history\.jsonl; give the folder of a run"):
        fcn.read_history(workplace)


def test_exported_names_are_there() -> None:
    for package in (cityscapes, fcn):
        assert set(package.__all__) <= set(dir(package))
        assert all(callable(getattr(package, name)) for name in package.__all__ if not name.isupper())
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            package.nothing  # noqa: B018


def test_the_functions_of_cityscapes_need_no_torch() -> None:
    program = (
        "import sys; from cityscapes import CLASSES, LABELS, check, colorize, compare, draw_masks, pack, score, "
        "to_label_ids, to_train_ids; raise SystemExit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
