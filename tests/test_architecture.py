"""Imports point one way: commands -> catalogue -> benchmarks and networks -> engine."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
COMMANDS = {"generate_gt", "train_fcn", "test_fcn", "export_fcn", "profile_fcn"}
BENCHMARKS = {"camvid", "cityscapes", "kitti_road", "pascal_voc"}
OURS = {*COMMANDS, *BENCHMARKS, "bench", "catalogue", "engine", "fcn"}

MAY_IMPORT = {
    "engine": {"engine"},
    "fcn": {"fcn"},
    **{name: {name, "engine"} for name in BENCHMARKS},
    "catalogue": {"engine", "fcn", *BENCHMARKS},
    "generate_gt": {"catalogue", "engine", *BENCHMARKS},
    "train_fcn": {"catalogue", "engine"},
    "test_fcn": {"catalogue", "engine"},
    "export_fcn": {"catalogue", "engine"},
    "profile_fcn": {"catalogue", "engine"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(REPOSITORY.glob("*.py")):
        yield path.stem, path
    for package in ("engine", "fcn", *sorted(BENCHMARKS)):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            yield package, path


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports here are absolute"
            names.add(str(node.module))
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(("owner", "path"), list(modules()), ids=lambda value: getattr(value, "name", value))
def test_imports_point_one_way(owner: str, path: Path) -> None:
    allowed = MAY_IMPORT[owner]
    if path == REPOSITORY / "fcn" / "__init__.py":
        allowed = allowed | {"engine"}  # the names that the ancestor project exported there
    assert imported(path) & OURS <= allowed


def test_networks_know_nothing_but_torch() -> None:
    third_party = {"torch", "torchvision"}
    for path in (REPOSITORY / "fcn").glob("*.py"):
        outside = imported(path) - OURS - third_party - set(sys.stdlib_module_names)
        assert not outside, f"{path} imports {outside}"


TORCH_FREE = (
    "generate_gt",
    "cityscapes.scoring",
    "cityscapes.submission",
    "cityscapes.doctor",
    "cityscapes.demo",
    "camvid.download",
    "camvid.scoring",
    "pascal_voc.download",
    "pascal_voc.scoring",
    "pascal_voc.submission",
    "kitti_road.scoring",
    "kitti_road.submission",
)


@pytest.mark.parametrize("module", TORCH_FREE)
def test_tools_without_networks_start_without_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


def test_importing_a_command_has_no_effect() -> None:
    program = "import generate_gt, train_fcn, test_fcn, export_fcn, profile_fcn"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
