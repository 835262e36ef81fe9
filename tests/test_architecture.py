"""Imports point one way: commands -> catalogue -> benchmarks and networks -> the rooms of engine, floor by floor."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
COMMANDS = ("generate_gt", "train_fcn", "test_fcn", "export_fcn", "profile_fcn")
BENCHMARKS = ("camvid", "cityscapes", "kitti_road", "pascal_voc")
OURS = {*COMMANDS, *BENCHMARKS, "bench", "catalogue", "engine", "fcn", "report", "tests"}

MAY_IMPORT: dict[str, set[str]] = {
    "engine": {"engine"},
    "fcn": {"fcn"},
    **{name: {name, "engine"} for name in BENCHMARKS},
    "catalogue": {"catalogue", "engine", "fcn", *BENCHMARKS},
    "report": {"report", "catalogue", "cityscapes", "engine"},
    "generate_gt": {"catalogue", "engine", *BENCHMARKS},
    **{name: {"catalogue", "engine"} for name in ("train_fcn", "test_fcn", "export_fcn", "profile_fcn")},
}
"""Package or command -> packages of this project that it may import."""
EXPORTS: dict[str, set[str]] = {"fcn/__init__.py": {"catalogue", "engine"}, "fcn/compatibility.py": {"engine"}}
"""Module that exports names of other packages -> these packages: the Python API, and the original FCN8s repository."""

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "findings": set(),
    "arrays": set(),
    "bootstrap": {"arrays", "findings"},
    "confusion": {"arrays"},
    "normalization": set(),
    "environment": set(),
    "image_counts": {"arrays", "bootstrap"},
    "layers": set(),
    "ranges": set(),
    "tables": set(),
    "files": {"errors", "arrays"},
    "parallel": {"errors"},
    "benchmark": {"errors", "arrays", "files"},
    "checkpoints": {"errors", "files", "normalization"},
    "scoring": {
        *("errors", "findings", "arrays", "bootstrap", "confusion", "files", "image_counts", "parallel", "benchmark"),
        "tables",
    },
    "cli": {"errors", "findings", "files", "parallel", "ranges", "scoring", "tables"},
    "devices": {"errors", "arrays"},
    "data": {"errors", "arrays", "files", "parallel", "benchmark"},
    "kernels": {"errors", "layers"},
    "training": {
        *("errors", "files", "benchmark", "checkpoints", "normalization", "environment", "devices", "data", "kernels"),
        *("arrays", "confusion", "layers", "parallel", "ranges", "tables"),
    },
    "inference": {
        *("errors", "arrays", "files", "parallel", "benchmark", "checkpoints", "normalization", "devices", "kernels"),
        *("confusion", "layers"),
    },
    "export": {"errors", "arrays", "files", "benchmark", "checkpoints", "normalization"},
    "profiling": {
        *("errors", "arrays", "files", "benchmark", "checkpoints", "environment", "devices", "inference", "tables"),
    },
}
"""Room or module of engine -> rooms and modules that it may import, in addition to itself."""

TORCH_FREE_ROOMS = (
    *("errors", "findings", "arrays", "bootstrap", "confusion", "environment", "files", "cli", "image_counts"),
    *("parallel", "benchmark", "ranges", "scoring", "tables"),
)
LIGHT_ROOMS = ("inference", "devices")
"""Rooms that must not load Lightning Fabric or torchvision, which take seconds; `devices.fabric` is an exception."""


def sources(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def modules() -> Iterator[tuple[str, Path]]:
    for command in COMMANDS:
        yield command, REPOSITORY / f"{command}.py"
    for package in ("catalogue", "engine", "fcn", "report", *BENCHMARKS):
        for path in sources(package):
            yield package, path


def imported(path: Path) -> set[str]:
    """Full names of all imported modules and of the names imported from modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports here are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_graph(package: str) -> dict[str, set[str]]:
    """Module -> modules of the same package that it imports, also inside functions."""
    known = {module_name(path): path for path in sources(package)}
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = set()
        for target in imported(path):
            found = target if target in known else target.rpartition(".")[0]
            if found in known and found != name:
                targets.add(found)
        graph[name] = targets
    return graph


def room(module: str) -> str:
    """Room of a module of engine; the module itself if it is not in a room."""
    return module.split(".")[1]


def room_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for module, targets in module_graph("engine").items():
        if module != "engine":
            graph.setdefault(room(module), set()).update(room(target) for target in targets if target != "engine")
    return {name: targets - {name} for name, targets in graph.items()}


def floors(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Layers of the graph: each imports only from the layers before it; raises if there is a circle."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    layers = []
    while sorter.is_active():
        ready = sorter.get_ready()
        layers.append(sorted(ready))
        sorter.done(*ready)
    return layers


@pytest.mark.parametrize(("owner", "path"), list(modules()), ids=lambda value: getattr(value, "name", value))
def test_imports_point_one_way(owner: str, path: Path) -> None:
    exports = EXPORTS.get(str(path.relative_to(REPOSITORY)), set())
    assert packages(path) & OURS <= MAY_IMPORT[owner] | exports


def test_rooms_of_engine_import_only_what_they_may() -> None:
    graph = room_graph()
    assert set(graph) == set(ROOMS)
    assert {name: targets - ROOMS[name] for name, targets in graph.items() if targets - ROOMS[name]} == {}


def test_no_circle_of_rooms_or_modules() -> None:
    layers = floors(room_graph())
    for package in ("catalogue", "engine", "fcn", "report", *BENCHMARKS):
        floors(module_graph(package))
    arrows = sum(map(len, room_graph().values()))
    rooms = sum(path.is_dir() and path.name != "__pycache__" for path in (REPOSITORY / "engine").iterdir())
    print(f"engine: {rooms} rooms and {len(room_graph()) - rooms} modules, {arrows} arrows, none upwards, no circle")
    for number, names in enumerate(layers):
        print(f"  floor {number}: {' '.join(names)}")


def test_networks_import_only_torch_torchvision_and_numpy() -> None:
    third_party = {"numpy", "torch", "torchvision"}
    for path in sources("fcn"):
        outside = packages(path) - OURS - third_party - set(sys.stdlib_module_names)
        assert not outside, f"{path} imports {outside}"


def loaded(imports: str, *unwanted: str) -> str:
    """Import modules in a new process, and return the unwanted modules that were loaded as well."""
    program = f"import sys, {imports}; print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def in_rooms(*rooms: str) -> str:
    return ", ".join(module for module in module_graph("engine") if module != "engine" and room(module) in rooms)


def test_torch_free_rooms_start_without_torch() -> None:
    tools = (
        *("generate_gt", "cityscapes.scoring", "cityscapes.submission", "cityscapes.doctor", "cityscapes.demo"),
        *("cityscapes.convert", "report"),
        *("camvid.download", "camvid.scoring"),
        *("pascal_voc.download", "pascal_voc.scoring", "pascal_voc.submission"),
        *("kitti_road.scoring", "kitti_road.submission"),
    )
    assert loaded(f"{in_rooms(*TORCH_FREE_ROOMS)}, {', '.join(tools)}", "torch") == "[]"


def test_light_rooms_load_neither_fabric_nor_torchvision() -> None:
    names = [name for name in in_rooms(*LIGHT_ROOMS).split(", ") if name != "engine.devices.fabric"]
    assert loaded(", ".join(names), "lightning_fabric", "torchvision") == "[]"


def test_importing_a_command_has_no_effect() -> None:
    program = f"import {', '.join(COMMANDS)}"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
